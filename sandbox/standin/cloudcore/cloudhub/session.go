package cloudhub

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/edgeway-io/edgeway/sandbox/standin/hubwire"
)

const (
	// resendAfter is how long a message waits for its acknowledgment.
	resendAfter = 5 * time.Second
	// sendings is how often a message is sent before others have their turn.
	sendings = 5
)

// session is one served connection.
type session struct {
	node      string
	conn      *hubwire.Conn
	keepalive time.Duration
	signs     chan struct{}
	acks      chan string
	done      chan struct{}
	once      sync.Once
}

func newSession(node string, conn *hubwire.Conn, keepalive time.Duration) *session {
	return &session{node: node, conn: conn, keepalive: keepalive,
		signs: make(chan struct{}, 1), acks: make(chan string, 16), done: make(chan struct{})}
}

// end closes the connection.
func (s *session) end() {
	s.once.Do(func() {
		close(s.done)
		s.conn.Close()
	})
}

// alive notes a keepalive.
func (s *session) alive() {
	select {
	case s.signs <- struct{}{}:
	default:
	}
}

// acknowledge notes the answer to a message.
func (s *session) acknowledge(id string) {
	select {
	case s.acks <- id:
	case <-s.done:
	}
}

// run sends what waits, one message at a time, until the session ends.
func (s *session) run(ctx context.Context, q *queue, done func(string, hubwire.Message)) {
	go s.watch()
	for {
		key, m, ok := q.next(ctx, s.done)
		if !ok {
			return
		}
		acknowledged, err := s.sendUntilAcknowledged(m)
		if err != nil {
			q.retry(key, m)
			slog.Debug("the edge node left", "node", s.node, "err", err)
			s.end()
			return
		}
		switch {
		case !acknowledged:
			slog.Warn("no acknowledgment", "node", s.node, "resource", m.Route.Resource)
			q.retry(key, m)
		case done != nil:
			done(s.node, m)
		}
	}
}

func (s *session) sendUntilAcknowledged(m hubwire.Message) (bool, error) {
	for range sendings {
		if err := s.conn.Send(m); err != nil {
			return false, err
		}
		if s.acknowledged(m.Header.ID) {
			return true, nil
		}
		select {
		case <-s.done:
			return false, hubwire.ErrClosed
		default:
		}
	}
	return false, nil
}

// acknowledged waits for the answer to one message; answers to others are late.
func (s *session) acknowledged(id string) bool {
	timer := time.NewTimer(resendAfter)
	defer timer.Stop()
	for {
		select {
		case got := <-s.acks:
			if got == id {
				return true
			}
		case <-timer.C:
			return false
		case <-s.done:
			return false
		}
	}
}

// watch ends the session of a node that sends no keepalive.
func (s *session) watch() {
	timer := time.NewTimer(s.keepalive)
	defer timer.Stop()
	for {
		select {
		case <-s.signs:
			timer.Reset(s.keepalive)
		case <-timer.C:
			slog.Error("no keepalive", "node", s.node, "for", s.keepalive)
			s.end()
			return
		case <-s.done:
			return
		}
	}
}
