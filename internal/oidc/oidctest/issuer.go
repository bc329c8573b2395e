// Package oidctest is a small OpenID Connect issuer for tests: discovery, keys, an
// authorization endpoint that signs one user in without asking, and a token endpoint
// that insists on PKCE and on codes and refresh tokens being used once.
package oidctest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Client that is registered at every Issuer.
const (
	ClientID     = "edgeway"
	ClientSecret = "not-told"
)

// Issuer serves HTTPS on loopback.
type Issuer struct {
	*httptest.Server
	// CAFile verifies the server.
	CAFile string

	t   testing.TB
	key *rsa.PrivateKey

	mu       sync.Mutex
	subject  string
	claims   map[string]any
	lifetime time.Duration
	now      func() time.Time
	// change edits the claims of the next identity tokens.
	change func(map[string]any)
	// noRefresh gives no refresh tokens; silent gives no identity token for one.
	noRefresh, silent, down bool
	codes                   map[string]grant
	refreshes               map[string]grant
	refreshed               int
}

// grant is what a code or refresh token stands for.
type grant struct {
	challenge, redirect, nonce, subject string
}

// Start an issuer that ends with the test and signs in subject.
func Start(t testing.TB, subject string) *Issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{t: t, key: key, subject: subject, claims: map[string]any{}, lifetime: 10 * time.Minute, now: time.Now,
		codes: map[string]grant{}, refreshes: map[string]grant{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /keys", i.keys)
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /token", i.token)
	i.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.isDown() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(i.Close)
	i.CAFile = filepath.Join(t.TempDir(), "issuer-ca.crt")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Certificate().Raw})
	if err := os.WriteFile(i.CAFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

// Set changes the issuer while it runs.
func (i *Issuer) Set(options ...Option) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, o := range options {
		o(i)
	}
}

// Option of an Issuer.
type Option func(*Issuer)

// Subject signs in somebody else from now on.
func Subject(s string) Option { return func(i *Issuer) { i.subject = s } }

// Claims are in every identity token.
func Claims(c map[string]any) Option { return func(i *Issuer) { i.claims = c } }

// Lifetime of identity tokens.
func Lifetime(d time.Duration) Option { return func(i *Issuer) { i.lifetime = d } }

// Clock by which tokens are made.
func Clock(now func() time.Time) Option { return func(i *Issuer) { i.now = now } }

// Change edits the claims of identity tokens before they are signed.
func Change(f func(map[string]any)) Option { return func(i *Issuer) { i.change = f } }

// NoRefresh gives no refresh tokens.
func NoRefresh() Option { return func(i *Issuer) { i.noRefresh = true } }

// SilentRefresh answers refresh tokens without an identity token.
func SilentRefresh() Option { return func(i *Issuer) { i.silent = true } }

// Down answers everything with an error.
func Down(yes bool) Option { return func(i *Issuer) { i.down = yes } }

// Disable forgets every refresh token, as when a user is locked out.
func Disable() Option { return func(i *Issuer) { clear(i.refreshes) } }

// Refreshed counts the refresh tokens that were used.
func (i *Issuer) Refreshed() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.refreshed
}

func (i *Issuer) isDown() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.down
}

// Visit is a browser at address: it gives the query that the issuer sends it back with.
func (i *Issuer) Visit(address string) url.Values {
	i.t.Helper()
	client := i.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Get(address)
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	back, err := res.Location()
	if err != nil {
		i.t.Fatalf("the issuer answered %s and sent the browser nowhere", res.Status)
	}
	return back.Query()
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	i.answer(w, http.StatusOK, map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
		"jwks_uri": i.URL + "/keys", "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "code_challenge_methods_supported": []string{"S256"},
	})
}

func (i *Issuer) keys(w http.ResponseWriter, _ *http.Request) {
	i.answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
}

func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != ClientID || q.Get("response_type") != "code" ||
		q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" {
		http.Error(w, "bad authorization request", http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	code := rand.Text()
	i.codes[code] = grant{challenge: q.Get("code_challenge"), redirect: q.Get("redirect_uri"), nonce: q.Get("nonce"), subject: i.subject}
	i.mu.Unlock()
	back.RawQuery = url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {i.URL}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if id != ClientID || secret != ClientSecret {
		i.answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	g, ok := i.redeem(r)
	if !ok {
		i.answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	body := map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": int(i.lifetime.Seconds())}
	if r.PostFormValue("grant_type") != "refresh_token" || !i.silent {
		body["id_token"] = i.sign(g)
	}
	if !i.noRefresh {
		refresh := rand.Text()
		i.refreshes[refresh], body["refresh_token"] = g, refresh
	}
	i.answer(w, http.StatusOK, body)
}

// redeem takes a code or refresh token out of circulation.
func (i *Issuer) redeem(r *http.Request) (grant, bool) {
	if r.PostFormValue("grant_type") == "refresh_token" {
		old := r.PostFormValue("refresh_token")
		g, ok := i.refreshes[old]
		delete(i.refreshes, old)
		g.nonce = ""
		if ok {
			i.refreshed++
			g.subject = i.subject
		}
		return g, ok
	}
	code := r.PostFormValue("code")
	g, ok := i.codes[code]
	delete(i.codes, code)
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	return g, ok && r.PostFormValue("redirect_uri") == g.redirect &&
		base64.RawURLEncoding.EncodeToString(sum[:]) == g.challenge
}

func (i *Issuer) sign(g grant) string {
	now := i.now()
	claims := map[string]any{"iss": i.URL, "aud": ClientID, "sub": g.subject, "iat": now.Unix(), "exp": now.Add(i.lifetime).Unix()}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	maps.Copy(claims, i.claims)
	if i.change != nil {
		i.change(claims)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: i.key, KeyID: "1"}}, nil)
	if err != nil {
		i.t.Error(err)
		return ""
	}
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		i.t.Error(err)
	}
	return raw
}

func (i *Issuer) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		i.t.Error(err)
	}
}
