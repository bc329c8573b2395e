package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
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

// session of one signed-in user. The tokens live here and nowhere else.
type session struct {
	id   string
	user string
	// token is what the user signed in with; login replaces it after OIDC.
	token string
	login *login
	// ends is the latest end.
	ends time.Time
	used time.Time

	// ctx ends with the session, and with it every stream opened in it.
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	groups  []string
	clients map[string]*clusterClients
	// mayUse remembers for a short while which guarded clusters the user sees.
	mayUse map[string]useAnswer
	// overviews are the latest known, by cluster.
	overviews map[string]*overviewMemory
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

// randomID is 256 bits as text.
func randomID() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(raw)
}

// open starts a session of a user who signed in with a token.
func (s *sessions) open(user string, groups []string, token string) *session {
	out := s.make(user, groups)
	out.token = token
	s.add(out)
	return out
}

// make a session that is not open yet, with a fresh id.
func (s *sessions) make(user string, groups []string) *session {
	ctx, cancel := context.WithCancel(context.Background())
	now := s.now()
	return &session{
		id: randomID(), user: user, groups: groups, used: now, ends: now.Add(sessionMax), ctx: ctx, cancel: cancel,
		clients: map[string]*clusterClients{}, mayUse: map[string]useAnswer{}, overviews: map[string]*overviewMemory{},
	}
}

func (s *sessions) add(out *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	if len(s.all) >= maxSessions {
		s.dropOldest()
	}
	s.all[out.id] = out
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

func (s *sessions) over(x *session) bool {
	now := s.now()
	return now.Sub(x.used) > sessionIdle || now.After(x.ends)
}

func (s *sessions) sweep() {
	for _, x := range s.all {
		if s.over(x) {
			s.drop(x)
		}
	}
}

// live lists the sessions that are not over.
func (s *sessions) live() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	return slices.Collect(maps.Values(s.all))
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
