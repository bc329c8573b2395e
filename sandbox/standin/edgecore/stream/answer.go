package stream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/edgeway-io/edgeway/sandbox/standin/tunnel"
)

// chunk is how much of a log or of an exec connection goes into one frame at most.
const chunk = 4 << 10

// errReaderLeft is the ordinary end of a followed log.
var errReaderLeft = errors.New("the reader left")

// errUnanswered is a request that the kubelet did not take.
var errUnanswered = errors.New("the kubelet cannot be asked")

// answer serves one stream until its end.
func (s *session) answer(ctx context.Context, frame tunnel.Frame, inbox *tunnel.Inbox) error {
	request, err := tunnel.ParseConnect(frame)
	if err != nil {
		return err
	}
	switch frame.Type {
	case tunnel.Exec, tunnel.Attach:
		return s.upgrade(ctx, request, inbox)
	default:
		return s.get(ctx, frame.Type, request, inbox)
	}
}

// get fetches logs or metrics and sends the body, whatever the status: there is no
// room for a status in the tunnel.
func (s *session) get(ctx context.Context, typ tunnel.Type, c tunnel.Connect, inbox *tunnel.Inbox) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		// A reader of logs has nothing to say but that it left.
		drain(ctx, inbox, func([]byte) error { return nil })
		cancel(errReaderLeft)
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL.String(), nil)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	req.Header = c.Header
	req.Header.Set("Accept-Encoding", "identity") // frames are text
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return s.backend(ctx) },
		DisableKeepAlives: true,
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		err = fmt.Errorf("%w: %w", errUnanswered, err)
	} else {
		if typ == tunnel.Metrics {
			err = s.sendLines(c.ID, resp.Body)
		} else {
			err = s.sendChunks(c.ID, resp.Body)
		}
		err = errors.Join(err, resp.Body.Close())
	}
	if errors.Is(context.Cause(ctx), errReaderLeft) {
		return nil
	}
	return err
}

// sendChunks sends what there is as soon as there is something.
func (s *session) sendChunks(id uint64, from io.Reader) error {
	buf := make([]byte, chunk)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if err := s.send(id, buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read from the kubelet: %w", err)
		}
	}
}

// lineReaders hold the longest line that fits a frame. A hollow node's figures are
// read many times a second, and a megabyte for each would be most of the work.
var lineReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, tunnel.MaxData) }}

// sendLines sends one line a frame, the last with a line's end even if it had none.
func (s *session) sendLines(id uint64, from io.Reader) error {
	lines := lineReaders.Get().(*bufio.Reader)
	defer lineReaders.Put(lines)
	lines.Reset(from)
	defer lines.Reset(nil)
	for {
		line, err := lines.ReadSlice('\n') // a line beyond 1 MiB goes in pieces
		if len(line) > 0 {
			if errors.Is(err, io.EOF) {
				line = append(line, '\n')
			}
			if err := s.send(id, line); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("read from the kubelet: %w", err)
		}
	}
}

// upgrade writes the request to a connection of its own and passes bytes both
// ways; the answer to the upgrade goes back like all else.
func (s *session) upgrade(ctx context.Context, c tunnel.Connect, inbox *tunnel.Inbox) error {
	req, err := http.NewRequestWithContext(ctx, c.Method, c.URL.String(), nil)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	req.Header = c.Header
	conn, err := s.backend(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnanswered, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	if err := req.Write(conn); err != nil {
		return fmt.Errorf("send the request: %w", err)
	}
	go func() {
		drain(ctx, inbox, func(data []byte) error {
			_, err := conn.Write(data)
			return err
		})
		cancel() // the reader left: that closes the connection and ends the copy below
	}()
	err = s.sendChunks(c.ID, conn)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// drain hands on what arrives for a stream until the reader leaves, the stream ends
// or use fails.
func drain(ctx context.Context, inbox *tunnel.Inbox, use func([]byte) error) {
	for {
		select {
		case data, more := <-inbox.Data():
			if !more || use(data) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
