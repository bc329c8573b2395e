package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/edgeway-io/edgeway/sandbox/standin/tunnel"
)

// errTunnelClosed is a stream asked of a tunnel that has just gone.
var errTunnelClosed = errors.New("the tunnel has closed")

// session is one edge node's tunnel and the streams that run through it.
type session struct {
	node, ip string
	conn     *tunnel.Conn
	mu       sync.Mutex
	streams  map[uint64]*tunnel.Inbox // nil once the tunnel has closed
}

func newSession(node, ip string, conn *tunnel.Conn) *session {
	return &session{node: node, ip: ip, conn: conn, streams: map[uint64]*tunnel.Inbox{}}
}

// open starts a stream: its inbox is in place before the edge node can answer.
func (s *session) open(id uint64) (*tunnel.Inbox, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams == nil {
		return nil, fmt.Errorf("open stream %d to %s: %w", id, s.node, errTunnelClosed)
	}
	inbox := tunnel.NewInbox()
	s.streams[id] = inbox
	return inbox, nil
}

// forget ends a stream on the cloud's side; later frames of it are dropped.
func (s *session) forget(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if inbox, ok := s.streams[id]; ok {
		inbox.Leave()
		delete(s.streams, id)
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
	inbox, ok := s.streams[frame.ID]
	if ok && frame.Type == tunnel.Remove {
		delete(s.streams, frame.ID)
	}
	s.mu.Unlock()
	if !ok {
		return // the reader left while this was under way
	}
	switch frame.Type {
	case tunnel.Data:
		if err := inbox.Push(frame.Data); errors.Is(err, tunnel.ErrStalled) {
			slog.Warn("stream cut", "node", s.node, "stream", frame.ID, "err", err)
			s.cut(frame.ID, inbox)
		}
	case tunnel.Remove:
		inbox.End()
	default:
		slog.Warn("unexpected frame from an edge node", "node", s.node, "stream", frame.ID, "type", frame.Type)
	}
}

// cut ends a stream whose reader does not keep up, for the good of the others.
func (s *session) cut(id uint64, inbox *tunnel.Inbox) {
	s.mu.Lock()
	delete(s.streams, id)
	s.mu.Unlock()
	inbox.End()
	s.sendRemove(id)
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
	for _, inbox := range s.streams {
		inbox.End()
	}
	s.streams = nil
}
