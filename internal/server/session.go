package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"sync"
	"time"
)

// Lifetimes of a session.
const (
	sessionIdle = 30 * time.Minute
	sessionMax  = 12 * time.Hour
	// maxSessions bounds memory; the least recently used one goes first.
	maxSessions = 10_000
)

// errNoSession: the id is unknown, idle too long or too old.
var errNoSession = errors.New("no such session")

// session of one signed-in user. The token lives here and nowhere else.
type session struct {
	id      string
	user    string
	groups  []string
	token   string
	created time.Time
	used    time.Time

	// ctx ends with the session, and with it every stream opened in it.
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	clients map[string]*clusterClients
}

// sessions are the live ones by id.
type sessions struct {
	now func() time.Time

	mu  sync.Mutex
	all map[string]*session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, all: map[string]*session{}}
}

// open starts a session with a fresh random id of 256 bits.
func (s *sessions) open(user string, groups []string, token string) *session {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails, see crypto/rand
	ctx, cancel := context.WithCancel(context.Background())
	now := s.now()
	out := &session{
		id: base64.RawURLEncoding.EncodeToString(raw), user: user, groups: groups, token: token,
		created: now, used: now, ctx: ctx, cancel: cancel, clients: map[string]*clusterClients{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	if len(s.all) >= maxSessions {
		s.dropOldest()
	}
	s.all[out.id] = out
	return out
}

// get finds a live session; touch counts the call as the user's activity.
func (s *sessions) get(id string, touch bool) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out, ok := s.all[id]
	if !ok {
		return nil, errNoSession
	}
	if s.over(out) {
		s.drop(out)
		return nil, errNoSession
	}
	if touch {
		out.used = s.now()
	}
	return out, nil
}

// close ends a session and its streams.
func (s *sessions) close(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if out, ok := s.all[id]; ok {
		s.drop(out)
	}
}

// sweepEvery ends sessions that are over, so that their streams end too.
func (s *sessions) sweepEvery(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			s.mu.Lock()
			s.sweep()
			s.mu.Unlock()
		}
	}
}

func (s *sessions) over(x *session) bool {
	now := s.now()
	return now.Sub(x.used) > sessionIdle || now.Sub(x.created) > sessionMax
}

func (s *sessions) sweep() {
	for _, x := range s.all {
		if s.over(x) {
			s.drop(x)
		}
	}
}

func (s *sessions) dropOldest() {
	var oldest *session
	for _, x := range s.all {
		if oldest == nil || x.used.Before(oldest.used) {
			oldest = x
		}
	}
	if oldest != nil {
		s.drop(oldest)
	}
}

func (s *sessions) drop(x *session) {
	x.cancel()
	delete(s.all, x.id)
}
