package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/edgeway-io/edgeway/sandbox/standin/tunnel"
)

// session is one tunnel's life and the streams in it.
type session struct {
	conn    *tunnel.Conn
	backend Dialer
	mu      sync.Mutex
	inboxes map[uint64]*tunnel.Inbox
	streams sync.WaitGroup
}

// serve reads frames until the tunnel breaks, then ends all streams and waits for
// them.
func (s *session) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.streams.Wait()
	defer cancel()
	for {
		frame, err := s.conn.Receive(ctx)
		if err != nil {
			return err
		}
		if frame.Type == tunnel.Close {
			return fmt.Errorf("%w: %s", errClosed, frame.Data)
		}
		s.handle(ctx, frame)
	}
}

func (s *session) handle(ctx context.Context, frame tunnel.Frame) {
	switch {
	case frame.Type.Opens():
		s.open(ctx, frame)
	case frame.Type == tunnel.Data:
		if inbox := s.inbox(frame.ID, false); inbox != nil {
			if err := inbox.Push(frame.Data); errors.Is(err, tunnel.ErrStalled) {
				slog.Warn("stream cut", "stream", frame.ID, "err", err)
				s.end(frame.ID)
			}
		}
	case frame.Type == tunnel.Remove:
		s.end(frame.ID)
	default:
		slog.Warn("unexpected frame from CloudCore", "stream", frame.ID, "type", frame.Type)
	}
}

// end ends a stream's inbox, which is how a stream learns that its reader left.
func (s *session) end(id uint64) {
	if inbox := s.inbox(id, true); inbox != nil {
		inbox.End()
	}
}

func (s *session) inbox(id uint64, forget bool) *tunnel.Inbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	inbox := s.inboxes[id]
	if forget {
		delete(s.inboxes, id)
	}
	return inbox
}

// open starts a stream. Its inbox is in place before the next frame is read: data
// may follow at once.
func (s *session) open(ctx context.Context, frame tunnel.Frame) {
	inbox := tunnel.NewInbox()
	s.mu.Lock()
	s.inboxes[frame.ID] = inbox
	s.mu.Unlock()
	s.streams.Go(func() {
		err := s.answer(ctx, frame, inbox)
		inbox.Leave()
		s.inbox(frame.ID, true)
		if err != nil && ctx.Err() == nil {
			slog.Debug("stream ended early", "stream", frame.ID, "err", err)
		}
		if errors.Is(err, errUnanswered) {
			return // as the real one: nobody hears of it
		}
		// After the data, and also when the reader left: CloudCore hears that a stream
		// is over.
		if err := s.conn.Send(tunnel.Frame{ID: frame.ID, Type: tunnel.Remove}); err != nil {
			slog.Debug("the tunnel broke before the stream's end", "stream", frame.ID, "err", err)
		}
	})
}

func (s *session) send(id uint64, data []byte) error {
	return s.conn.Send(tunnel.Frame{ID: id, Type: tunnel.Data, Data: data})
}
