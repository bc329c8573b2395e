package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/lru"
)

// Lifetimes of a session.
const (
	sessionIdle = 30 * time.Minute
	sessionMax  = 12 * time.Hour
	// maxSessions bounds memory, maxUserSessions what one user can use up of it. The least
	// recently used session goes first.
	maxSessions     = 2000
	maxUserSessions = 20
	// endsRemembered is for how many sessions it is known why they ended.
	endsRemembered = 4096
)

// Why there is no session. The user is told when the session asks for something again, and
// every stream of the session ends with it.
var (
	errNoSession       = fail(http.StatusUnauthorized, "SignInRequired", "no one is signed in, or the session is over", "sign in")
	errSessionIdle     = fail(http.StatusUnauthorized, "SessionIdle", "the session ended after "+sessionIdle.String()+" without activity", "sign in again")
	errSessionExpired  = fail(http.StatusUnauthorized, "SessionExpired", "the session, or the token that it began with, has reached its end", "sign in again, with a new token where yours has expired")
	errSessionReplaced = fail(http.StatusUnauthorized, "SessionReplaced", "newer sessions took the place of this one", "sign in again, and sign out of sessions that you do not use")
	errTokenEnded      = fail(http.StatusUnauthorized, "TokenEnded", "the host cluster no longer accepts the token of this session", "sign in again with a new token")
)

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
	cancel context.CancelCauseFunc
	// doubt asks for a review at once; see review.go.
	doubt chan struct{}

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

	mu    sync.Mutex
	all   map[string]*session
	ended *lru.Cache // *Error by id
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, all: map[string]*session{}, ended: lru.New(endsRemembered)}
}

// randomID is 256 bits as text.
func randomID() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(raw)
}

// open starts a session of a user who signed in with a token. It ends with the token, as
// far as the token itself says when that is.
func (s *sessions) open(user string, groups []string, token string) *session {
	out := s.make(user, groups)
	out.token = token
	if end, ok := expiryOf(token); ok && end.Before(out.ends) {
		out.ends = end
	}
	s.add(out)
	return out
}

// make a session that is not open yet, with a fresh id.
func (s *sessions) make(user string, groups []string) *session {
	ctx, cancel := context.WithCancelCause(context.Background())
	now := s.now()
	return &session{
		id: randomID(), user: user, groups: groups, used: now, ends: now.Add(sessionMax), ctx: ctx, cancel: cancel, doubt: make(chan struct{}, 1),
		clients: map[string]*clusterClients{}, mayUse: map[string]useAnswer{}, overviews: map[string]*overviewMemory{},
	}
}

func (s *sessions) add(out *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	s.makeRoom(maxUserSessions, func(x *session) bool { return x.user == out.user })
	s.makeRoom(maxSessions, func(*session) bool { return true })
	s.all[out.id] = out
}

// get finds a live session; touch counts the call as the user's activity.
func (s *sessions) get(id string, touch bool) (*session, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out, ok := s.all[id]
	if !ok {
		if why, ok := s.ended.Get(id); ok {
			return nil, why.(*Error)
		}
		return nil, errNoSession
	}
	if why := s.over(out); why != nil {
		s.drop(out, why)
		return nil, why
	}
	if touch {
		out.used = s.now()
	}
	return out, nil
}

// close ends a session and its streams.
func (s *sessions) close(id string, why *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if out, ok := s.all[id]; ok {
		s.drop(out, why)
	}
}

// over tells why a session is over, nil when it is not.
func (s *sessions) over(x *session) *Error {
	switch now := s.now(); {
	case now.After(x.ends):
		return errSessionExpired
	case now.Sub(x.used) > sessionIdle:
		return errSessionIdle
	}
	return nil
}

func (s *sessions) sweep() {
	for _, x := range s.all {
		if why := s.over(x); why != nil {
			s.drop(x, why)
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

// makeRoom ends the least recently used of the chosen sessions when there are so many.
func (s *sessions) makeRoom(most int, chosen func(*session) bool) {
	var oldest *session
	n := 0
	for _, x := range s.all {
		if !chosen(x) {
			continue
		}
		n++
		if oldest == nil || x.used.Before(oldest.used) {
			oldest = x
		}
	}
	if n >= most {
		s.drop(oldest, errSessionReplaced)
	}
}

func (s *sessions) drop(x *session, why *Error) {
	x.cancel(why)
	delete(s.all, x.id)
	if why != errNoSession {
		s.ended.Add(x.id, why)
	}
}

// why the session is over, for its streams.
func (x *session) why() *Error { return asError(context.Cause(x.ctx)) }
