package server

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/internal/oidc"
	"github.com/edgeway-io/edgeway/internal/oidc/oidctest"
)

// oidcConsole is a console with an issuer whose tokens the fake cluster trusts.
func oidcConsole(t *testing.T, issuer *oidctest.Issuer, edit ...func(*OIDC)) (*console, *fakeCluster) {
	t.Helper()
	cluster := newFakeCluster(t)
	var c *console
	c = newConsole(t, cluster, func(cfg *Config) {
		cfg.Now = func() time.Time { return c.clock() }
		p, err := oidc.New(oidc.Config{IssuerURL: issuer.URL, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret,
			RedirectURL: "https://console.example" + OIDCPath, CAFile: issuer.CAFile, Now: cfg.Now})
		if err != nil {
			t.Fatal(err)
		}
		cfg.OIDC = &OIDC{Provider: p, Name: "Example"}
		for _, f := range edit {
			f(cfg.OIDC)
		}
	})
	issuer.Set(oidctest.Clock(c.clock))
	cluster.user = func(token string) string {
		claims := claimsOf(token)
		if exp, _ := claims["exp"].(float64); c.clock().Unix() >= int64(exp) {
			return ""
		}
		sub, _ := claims["sub"].(string)
		return sub
	}
	return c, cluster
}

// claimsOf reads a token as nobody should who has to trust it.
func claimsOf(token string) map[string]any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var out map[string]any
	if json.Unmarshal(raw, &out) != nil {
		return nil
	}
	return out
}

// start begins a sign-in: the address at the issuer and the browser's cookie.
func (c *console) start(back string) (string, *http.Cookie) {
	c.t.Helper()
	res, body := c.do("POST", "/api/v1/oidc", "", `{"back":"`+back+`"}`)
	if res.StatusCode != http.StatusOK || len(res.Cookies()) != 1 {
		c.t.Fatalf("start: %s %s", res.Status, body)
	}
	var out struct{ URL string }
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		c.t.Fatal(err)
	}
	return out.URL, res.Cookies()[0]
}

// finish is the browser coming back from the issuer: where it is sent, and the
// session's cookie.
func (c *console) finish(answer url.Values, cookie *http.Cookie) (string, string) {
	c.t.Helper()
	res, body := c.do("GET", OIDCPath+"?"+answer.Encode(), "", "", func(r *http.Request) {
		r.Header.Del("Origin")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if cookie != nil {
			r.AddCookie(cookie)
		}
	})
	if res.StatusCode != http.StatusSeeOther {
		c.t.Fatalf("callback: %s %s", res.Status, body)
	}
	session := ""
	for _, got := range res.Cookies() {
		if got.Name == cookieName {
			session = got.Value
		}
	}
	return res.Header.Get("Location"), session
}

func (c *console) oidcSignIn(issuer *oidctest.Issuer) string {
	c.t.Helper()
	address, cookie := c.start("/clusters/host/nodes?q=a")
	to, session := c.finish(issuer.Visit(address), cookie)
	if to != "/clusters/host/nodes?q=a" || session == "" {
		c.t.Fatalf("sent to %q, session %q\n%s", to, session, c.log)
	}
	return session
}

func TestOIDCSignIn(t *testing.T) {
	issuer := oidctest.Start(t, "ann")
	c, _ := oidcConsole(t, issuer)
	if _, body := c.do("GET", "/api/v1/sign-in-methods", "", ""); !strings.Contains(body, `"oidc":"Example"`) {
		t.Errorf("methods: %s", body)
	}
	address, cookie := c.start("")
	if cookie.Name != attemptCookie || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
		t.Errorf("attempt's cookie %v", cookie)
	}
	q, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Query().Get(want)) < 32 {
			t.Errorf("%s = %q", want, q.Query().Get(want))
		}
	}
	session := c.oidcSignIn(issuer)
	if _, body := c.do("GET", "/api/v1/session", session, ""); !strings.Contains(body, `"user":"ann"`) {
		t.Errorf("session: %s", body)
	}
	if res, body := c.do("GET", "/api/v1/clusters/host/nodes", session, ""); res.StatusCode != 200 {
		t.Errorf("nodes: %s %s", res.Status, body)
	}
	for _, want := range []string{"operation=startOIDC status=200", "operation=finishOIDC status=303", "user=ann"} {
		if !strings.Contains(c.log.String(), want) {
			t.Errorf("the audit log lacks %q:\n%s", want, c.log)
		}
	}
	if strings.Contains(c.log.String(), "eyJ") {
		t.Error("a token is in the log")
	}
}

// TestOIDCAnswersThatAreRefused: nobody is signed in, and the page has a word for it.
func TestOIDCAnswersThatAreRefused(t *testing.T) {
	issuer := oidctest.Start(t, "ann")
	c, cluster := oidcConsole(t, issuer)
	known := cluster.user
	for name, tc := range map[string]struct {
		before func(answer url.Values, cookie *http.Cookie)
		word   string
	}{
		"no cookie":       {func(_ url.Values, k *http.Cookie) { k.Value = "" }, "Expired"},
		"other browser":   {func(_ url.Values, k *http.Cookie) { k.Value = randomID() }, "Expired"},
		"took too long":   {func(url.Values, *http.Cookie) { c.advance(attemptLife + time.Second) }, "Expired"},
		"wrong state":     {func(q url.Values, _ *http.Cookie) { q.Set("state", "guess") }, "Invalid"},
		"code is wrong":   {func(q url.Values, _ *http.Cookie) { q.Set("code", "guess") }, "Denied"},
		"person said no":  {func(q url.Values, _ *http.Cookie) { q.Set("error", "access_denied") }, "Denied"},
		"issuer is down":  {func(url.Values, *http.Cookie) { issuer.Set(oidctest.Down(true)) }, "Unreachable"},
		"cluster says no": {func(url.Values, *http.Cookie) { cluster.user = func(string) string { return "" } }, "NotAccepted"},
	} {
		t.Run(name, func(t *testing.T) {
			c.advance(time.Minute) // past the limit on tries
			address, cookie := c.start("")
			answer := issuer.Visit(address)
			tc.before(answer, cookie)
			to, session := c.finish(answer, cookie)
			issuer.Set(oidctest.Down(false))
			cluster.user = known
			if to != "/sign-in?problem="+tc.word || session != "" {
				t.Errorf("sent to %q with session %q, want problem %s\n%s", to, session, tc.word, c.log)
			}
		})
	}
	t.Run("answer used twice", func(t *testing.T) {
		c.advance(time.Minute)
		address, cookie := c.start("")
		answer := issuer.Visit(address)
		c.finish(answer, cookie)
		if to, session := c.finish(answer, cookie); to != "/sign-in?problem=Expired" || session != "" {
			t.Errorf("sent to %q, session %q", to, session)
		}
	})
}

func TestIssuerDownLeavesTokenSignIn(t *testing.T) {
	issuer := oidctest.Start(t, "ann")
	issuer.Set(oidctest.Down(true))
	c, _ := oidcConsole(t, issuer)
	if res, body := c.do("POST", "/api/v1/oidc", "", `{}`); res.StatusCode != http.StatusBadGateway || codeIn(t, body) != "IssuerUnreachable" {
		t.Errorf("start: %s %s", res.Status, body)
	}
	c.signIn("admin")
	issuer.Set(oidctest.Down(false))
	c.oidcSignIn(issuer)
}

func TestReturnPathStaysHere(t *testing.T) {
	for _, bad := range []string{"", "clusters", "//evil.example", "https://evil.example/", `/\evil.example`, "/a\nb", "javascript:alert(1)"} {
		if got := ownPath(bad); got != "/clusters" {
			t.Errorf("%q leads to %q", bad, got)
		}
	}
	if got := ownPath("/clusters/a/nodes?x=1"); got != "/clusters/a/nodes?x=1" {
		t.Errorf("own page leads to %q", got)
	}
}

// TestOIDCSessionIsRefreshed: a working user stays signed in past the token's life,
// for at most 12 hours.
func TestOIDCSessionIsRefreshed(t *testing.T) {
	issuer := oidctest.Start(t, "ann")
	c, _ := oidcConsole(t, issuer)
	session := c.oidcSignIn(issuer)
	for at := time.Duration(0); at < sessionMax-10*time.Minute; at += 5 * time.Minute {
		if res, body := c.do("GET", "/api/v1/clusters/host/nodes", session, ""); res.StatusCode != 200 {
			t.Fatalf("after %s: %s %s", at, res.Status, body)
		}
		c.advance(5 * time.Minute)
	}
	if n := issuer.Refreshed(); n < 50 || n > 150 {
		t.Errorf("tokens of 10 minutes were renewed %d times in 12 hours", n)
	}
	c.advance(11 * time.Minute)
	if res, _ := c.do("GET", "/api/v1/session", session, ""); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after 12 hours: %s", res.Status)
	}
}

// TestIssuerEndsSession: whom the issuer locks out loses session and streams.
func TestIssuerEndsSession(t *testing.T) {
	for name, end := range map[string]func(*oidctest.Issuer){
		"locked out":       func(i *oidctest.Issuer) { i.Set(oidctest.Disable()) },
		"renews no token":  func(i *oidctest.Issuer) { i.Set(oidctest.SilentRefresh()) },
		"became another":   func(i *oidctest.Issuer) { i.Set(oidctest.Subject("bob")) },
		"no longer signed": func(i *oidctest.Issuer) { i.Set(oidctest.Change(func(c map[string]any) { c["aud"] = "other" })) },
	} {
		t.Run(name, func(t *testing.T) {
			issuer := oidctest.Start(t, "ann")
			c, _ := oidcConsole(t, issuer)
			id := c.oidcSignIn(issuer)
			sess, err := c.srv.sessions.get(id, true)
			if err != nil {
				t.Fatal(err)
			}
			end(issuer)
			c.srv.reviewAll(t.Context())
			if sess.ctx.Err() != nil {
				t.Fatal("the session ended though its token is good")
			}
			c.advance(11 * time.Minute)
			c.srv.reviewAll(t.Context())
			if sess.ctx.Err() == nil {
				t.Error("the session's streams go on")
			}
			if res, body := c.do("GET", "/api/v1/clusters/host/nodes", id, ""); res.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s %s", res.Status, body)
			}
		})
	}
}

// TestExpiredTokenWithoutChores: the request that finds it out is answered as signed out.
func TestExpiredTokenWithoutChores(t *testing.T) {
	issuer := oidctest.Start(t, "ann")
	c, _ := oidcConsole(t, issuer)
	id := c.oidcSignIn(issuer)
	issuer.Set(oidctest.Disable())
	c.advance(11 * time.Minute)
	res, body := c.do("GET", "/api/v1/clusters/host/nodes", id, "")
	if res.StatusCode != http.StatusUnauthorized || codeIn(t, body) != "IssuerEnded" {
		t.Errorf("%s %s", res.Status, body)
	}
}

// TestIssuerOutageIsSurvived: a token that is still good is used, and an expired one
// is renewed once the issuer is back.
func TestIssuerOutageIsSurvived(t *testing.T) {
	issuer := oidctest.Start(t, "ann")
	c, _ := oidcConsole(t, issuer)
	id := c.oidcSignIn(issuer)
	issuer.Set(oidctest.Down(true))
	c.advance(9 * time.Minute)
	if res, body := c.do("GET", "/api/v1/clusters/host/nodes", id, ""); res.StatusCode != 200 {
		t.Errorf("good token, issuer down: %s %s", res.Status, body)
	}
	c.advance(2 * time.Minute)
	if res, body := c.do("GET", "/api/v1/clusters/host/nodes", id, ""); res.StatusCode != 502 || codeIn(t, body) != "IssuerUnreachable" {
		t.Errorf("expired token, issuer down: %s %s", res.Status, body)
	}
	issuer.Set(oidctest.Down(false))
	c.advance(refreshPause)
	if res, body := c.do("GET", "/api/v1/clusters/host/nodes", id, ""); res.StatusCode != 200 {
		t.Errorf("issuer back: %s %s", res.Status, body)
	}
}

func TestWithoutRefreshTokenTheTokenIsTheSession(t *testing.T) {
	issuer := oidctest.Start(t, "ann")
	issuer.Set(oidctest.NoRefresh())
	c, _ := oidcConsole(t, issuer)
	id := c.oidcSignIn(issuer)
	var info SessionInfo
	_, body := c.do("GET", "/api/v1/session", id, "")
	if err := json.Unmarshal([]byte(body), &info); err != nil {
		t.Fatal(err)
	}
	if left := info.Expires.Sub(c.clock()); left > 10*time.Minute {
		t.Errorf("the page is told of %s, the token lives 10 minutes", left)
	}
	c.advance(10*time.Minute + time.Second)
	if res, _ := c.do("GET", "/api/v1/session", id, ""); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the token's end: %s", res.Status)
	}
}
