package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/edgeway-io/edgeway/sandbox/standin/tunnel"
)

// errTunnelClosed is a stream asked of a tunnel that has gone.
var errTunnelClosed = errors.New("the tunnel has closed")

// session is one edge node's tunnel and the streams that run through it. As in the real
// one, whoever reads the tunnel writes to the streams' readers: one that does not read
// holds up all others.
type session struct {
	node, ip string
	conn     *tunnel.Conn
	mu       sync.Mutex
	streams  map[uint64]*reader // nil once the tunnel has closed
}

func newSession(node, ip string, conn *tunnel.Conn) *session {
	return &session{node: node, ip: ip, conn: conn, streams: map[uint64]*reader{}}
}

// reader is the cloud's end of a stream.
type reader struct {
	ended chan struct{} // closed when the edge has ended the stream
	once  sync.Once

	mu    sync.Mutex
	write func([]byte) error // nil once the reader has left
}

func (r *reader) end() { r.once.Do(func() { close(r.ended) }) }

// leave returns when nobody writes to the reader any more.
func (r *reader) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.write = nil
}

func (r *reader) push(data []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.write == nil {
		return nil
	}
	return r.write(data)
}

// open starts a stream: its reader is in place before the edge node can answer.
func (s *session) open(id uint64, write func([]byte) error) (*reader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams == nil {
		return nil, fmt.Errorf("open stream %d to %s: %w", id, s.node, errTunnelClosed)
	}
	r := &reader{ended: make(chan struct{}), write: write}
	s.streams[id] = r
	return r, nil
}

// forget ends a stream on the cloud's side; later frames of it are dropped.
func (s *session) forget(id uint64) {
	s.mu.Lock()
	r := s.streams[id]
	delete(s.streams, id)
	s.mu.Unlock()
	if r != nil {
		r.leave()
	}
}

// serve hands out frames until the tunnel breaks, then ends all streams. Like the
// real one it sets no deadline on reading: a link that is cut silently is found by
// TCP keepalive, minutes later.
func (s *session) serve(ctx context.Context) error {
	defer s.close()
	for {
		frame, err := s.conn.Receive(ctx)
		if err != nil {
			return err
		}
		s.deliver(frame)
	}
}

func (s *session) deliver(frame tunnel.Frame) {
	s.mu.Lock()
	r, ok := s.streams[frame.ID]
	s.mu.Unlock()
	if !ok {
		return // the reader left while this was under way
	}
	switch frame.Type {
	case tunnel.Data:
		if err := r.push(frame.Data); err != nil {
			slog.Debug("cannot write to a reader", "node", s.node, "stream", frame.ID, "err", err)
		}
	case tunnel.Remove:
		r.end()
	default:
		slog.Warn("unexpected frame from an edge node", "node", s.node, "stream", frame.ID, "type", frame.Type)
	}
}

// sendRemove tells the edge node that nobody reads a stream any more.
func (s *session) sendRemove(id uint64) {
	if err := s.conn.Send(tunnel.Frame{ID: id, Type: tunnel.Remove}); err != nil {
		slog.Debug("cannot tell the edge node that a reader left", "node", s.node, "stream", id, "err", err)
	}
}

func (s *session) close() {
	s.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.streams {
		r.end()
	}
	s.streams = nil
}
