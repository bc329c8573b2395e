package server

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
)

// people are the users of tokens, which a test changes.
type people struct {
	mu  sync.Mutex
	all map[string]string
}

func (p *people) set(token, user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all[token] = user
}

func (p *people) user(token string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[token]
}

// stream opens one of the session's streams.
func (c *console) stream(cookie, path string) *websocket.Conn {
	c.t.Helper()
	conn, res, err := websocket.Dial(c.t.Context(), c.URL+"/api/v1/clusters/host/"+path,
		&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {c.URL}, "Cookie": {cookieName + "=" + cookie}}})
	if err != nil {
		c.t.Fatalf("%s: %v %v", path, err, res)
	}
	c.t.Cleanup(func() { conn.CloseNow() })
	return conn
}

func TestSessionsEndWithTheirToken(t *testing.T) {
	for name, tc := range map[string]struct {
		// after is what happens to jane's token; down is that the host cluster answers 503.
		after string
		down  bool
		ends  bool
	}{
		"the token is gone":            {after: "", ends: true},
		"it is somebody else's":        {after: "joe", ends: true},
		"nothing changes":              {after: "jane"},
		"the host cluster cannot tell": {after: "jane", down: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeCluster(t)
			who := &people{all: map[string]string{"jane-1": "jane"}}
			f.user = who.user
			heard := serveExec(f, "")
			f.mux.HandleFunc("GET /api/v1/namespaces/web/pods/p/log", func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, "2026-01-02T03:04:05Z hello\n")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
			c := newConsole(t, f)
			cookie := c.signIn("jane-1")
			log, shell := c.stream(cookie, "pods/web/p/logs/stream?container=c&follow=true"), c.stream(cookie, "pods/web/p/terminal?container=c")
			<-heard
			who.set("jane-1", tc.after)
			if tc.down {
				f.broken.Store(true)
			}
			c.srv.reviewAll(t.Context())
			f.broken.Store(false)
			res, body := c.do("GET", "/api/v1/session", cookie, "")
			if !tc.ends {
				if res.StatusCode != http.StatusOK {
					t.Errorf("the session is over: %s", body)
				}
				return
			}
			if res.StatusCode != http.StatusUnauthorized || codeIn(t, body) != "TokenEnded" {
				t.Errorf("%s %s, want 401 TokenEnded", res.Status, body)
			}
			var end TerminalEnd
			if err := wsjson.Read(t.Context(), shell, &end); err != nil || end.Code != "TokenEnded" || end.Message == "" || end.Remedy == "" {
				t.Errorf("the terminal ends with %+v, %v", end, err)
			}
			for kind, conn := range map[string]*websocket.Conn{"log": log, "terminal": shell} {
				if reason := closeReason(t, conn); reason != "TokenEnded" {
					t.Errorf("the %s closes with %q", kind, reason)
				}
			}
			for got := range heard {
				if got == "left" {
					return
				}
			}
			t.Error("the program still runs")
		})
	}
}

// closeReason reads to the end of a stream.
func closeReason(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	for {
		_, _, err := conn.Read(t.Context())
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			t.Errorf("the stream ends with %v", err)
			return ""
		}
		text := err.Error()
		return strings.Trim(text[strings.LastIndex(text, "reason = ")+len("reason = "):], `"`)
	}
}

// TestA401EndsTheSessionAtOnce: the host cluster's answer to any request asks for a review,
// one at a time.
func TestA401EndsTheSessionAtOnce(t *testing.T) {
	f := newFakeCluster(t)
	who := &people{all: map[string]string{"jane-1": "jane"}}
	f.user = who.user
	c := newConsole(t, f)
	cookie := c.signIn("jane-1")
	sess, why := c.srv.sessions.get(cookie, false)
	if why != nil {
		t.Fatal(why)
	}
	who.set("jane-1", "")
	if res, body := c.do("GET", "/api/v1/clusters/host/pods", cookie, ""); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("%s %s", res.Status, body)
	}
	select {
	case <-sess.ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the session goes on")
	}
	if _, body := c.do("GET", "/api/v1/session", cookie, ""); codeIn(t, body) != "TokenEnded" {
		t.Errorf("%s", body)
	}
}

// TestAMembersCredentialsAreNotTheUsers: a member cluster that refuses what is stored for
// it signs nobody out.
func TestAMembersCredentialsAreNotTheUsers(t *testing.T) {
	member := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status(w, http.StatusUnauthorized, "Unauthorized")
	}))
	t.Cleanup(member.Close)
	c := newConsole(t, newFakeCluster(t), withMembers(t, memberOf(t, "factory", member)))
	cookie := c.signIn("admin")
	res, body := c.do("GET", "/api/v1/clusters/factory/pods", cookie, "")
	if res.StatusCode != http.StatusBadGateway || codeIn(t, body) != "KubeconfigRejected" {
		t.Errorf("%s %s, want 502 KubeconfigRejected", res.Status, body)
	}
	if res, body := c.do("GET", "/api/v1/session", cookie, ""); res.StatusCode != http.StatusOK {
		t.Errorf("the session is over: %s", body)
	}
}

// signedToken is a JWT as a kube-apiserver makes one.
func signedToken(t *testing.T, claims jwt.Claims) string {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestASessionIsNoLongerThanItsToken(t *testing.T) {
	f := newFakeCluster(t)
	f.user = func(string) string { return "jane" }
	for name, tc := range map[string]struct {
		life time.Duration
		none bool
		want time.Duration
	}{
		"ten minutes":  {life: 10 * time.Minute, want: 10 * time.Minute},
		"a day":        {life: 24 * time.Hour, want: sessionMax},
		"no end":       {none: true, want: sessionMax},
		"over already": {life: -time.Minute, want: -time.Minute}, // the cluster accepts it: its clock is behind
	} {
		t.Run(name, func(t *testing.T) {
			c := newConsole(t, f)
			claims := jwt.Claims{Subject: "jane"}
			if !tc.none {
				claims.Expiry = jwt.NewNumericDate(c.now.Add(tc.life))
			}
			res, body := c.do("POST", "/api/v1/session", "", string(mustJSON(t, SignIn{Token: signedToken(t, claims)})))
			var info SessionInfo
			if err := json.Unmarshal([]byte(body), &info); err != nil {
				t.Fatalf("%s %s: %v", res.Status, body, err)
			}
			if got := info.Expires.Sub(c.now); got != tc.want {
				t.Errorf("the session says %s, want %s", got, tc.want)
			}
		})
	}
	c := newConsole(t, f)
	cookie := c.signIn(signedToken(t, jwt.Claims{Expiry: jwt.NewNumericDate(c.now.Add(10 * time.Minute))}))
	c.advance(10*time.Minute + time.Second)
	if _, body := c.do("GET", "/api/v1/session", cookie, ""); codeIn(t, body) != "SessionExpired" {
		t.Errorf("after its token: %s", body)
	}
}

func TestSessionsAreLimited(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	s := c.srv.sessions
	ids := map[string][]string{}
	open := func(user string) {
		c.advance(time.Millisecond)
		ids[user] = append(ids[user], s.open(user, nil, "opaque").id)
	}
	open("jane")
	for range maxUserSessions + 5 {
		open("joe")
	}
	live := map[string]int{}
	for _, x := range s.live() {
		live[x.user]++
	}
	if diff := cmp.Diff(map[string]int{"jane": 1, "joe": maxUserSessions}, live); diff != "" {
		t.Error(diff)
	}
	if _, why := s.get(ids["joe"][0], true); why != errSessionReplaced {
		t.Errorf("the oldest of joe: %v", why)
	}
	if _, why := s.get(ids["joe"][5], true); why != nil {
		t.Errorf("the sixth of joe: %v", why)
	}
	for i := range maxSessions {
		open(fmt.Sprint("user", i))
	}
	if n := len(s.live()); n != maxSessions {
		t.Errorf("%d sessions, want %d", n, maxSessions)
	}
}
