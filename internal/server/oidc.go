package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/edgeway-io/edgeway/internal/oidc"
)

// OIDC lets people sign in at an issuer.
type OIDC struct {
	Provider *oidc.Provider
	// Name of the issuer for people.
	Name string
	// Impersonate has the console name the user to the host cluster. Otherwise the
	// user's identity token goes there, and its kube-apiserver must trust the issuer.
	Impersonate bool
}

// attemptCookie ties a sign-in to the browser that began it. It is Lax, because the
// issuer's page sends the browser back.
const attemptCookie = "__Host-edgeway-signin"

const (
	attemptLife = 10 * time.Minute
	maxAttempts = 10_000
)

// OIDCPath is the console's callback, to be registered at the issuer.
const OIDCPath = pathAPI + "/oidc/callback"

// SignInMethods are the ways to sign in.
type SignInMethods struct {
	Token bool   `json:"token" doc:"With a bearer token of the host cluster; always"`
	OIDC  string `json:"oidc,omitempty" doc:"Name of the OIDC issuer; absent when there is none"`
}

// OIDCStart is what the page asks for when somebody chooses the issuer.
type OIDCStart struct {
	Back string `json:"back,omitempty" maxLength:"2048" doc:"Path of the page to return to"`
}

type oidcStartOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      struct {
		URL string `json:"url" doc:"Where to send the browser"`
	}
}

type oidcFinishOutput struct {
	Status    int
	Location  string   `header:"Location"`
	SetCookie []string `header:"Set-Cookie"`
}

// attempt is a sign-in on its way through the issuer.
type attempt struct {
	oidc.Attempt
	back  string
	until time.Time
}

// attempts by the id in the browser's cookie.
type attempts struct {
	now func() time.Time
	mu  sync.Mutex
	all map[string]attempt
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, all: map[string]attempt{}}
}

func (a *attempts) put(one attempt) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if len(a.all) >= maxAttempts {
		for id, old := range a.all {
			if now.After(old.until) {
				delete(a.all, id)
			}
		}
	}
	if len(a.all) >= maxAttempts {
		clear(a.all) // they begin again
	}
	one.until = now.Add(attemptLife)
	id := randomID()
	a.all[id] = one
	return id
}

// take gives an attempt once.
func (a *attempts) take(id string) (attempt, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one, ok := a.all[id]
	delete(a.all, id)
	return one, ok && !a.now().After(one.until)
}

func (s *Server) oidcRoutes() {
	huma.Register(s.api, op(http.MethodGet, pathAPI+"/sign-in-methods", "getSignInMethods", "Ways to sign in", metaPublic), s.signInMethods)
	huma.Register(s.api, op(http.MethodPost, pathAPI+"/oidc", "startOIDC", "Begin to sign in at the OIDC issuer", metaPublic), s.startOIDC)
	finish := op(http.MethodGet, OIDCPath, "finishOIDC", "Where the OIDC issuer sends the browser back to", metaPublic, metaChange)
	finish.Responses = map[string]*huma.Response{"303": {Description: "To the page that was asked for, or to the sign-in page with the word of the problem"}}
	huma.Register(s.api, finish, s.finishOIDC)
}

func (s *Server) signInMethods(context.Context, *struct{}) (*Body[SignInMethods], error) {
	out := SignInMethods{Token: true}
	if s.cfg.OIDC != nil {
		out.OIDC = s.cfg.OIDC.Name
	}
	return &Body[SignInMethods]{out}, nil
}

func (s *Server) startOIDC(ctx context.Context, in *Body[OIDCStart]) (*oidcStartOutput, error) {
	if s.cfg.OIDC == nil {
		return nil, fail(http.StatusNotFound, "NoOIDC", "this console knows no OIDC issuer", "sign in with a token")
	}
	if !s.signIns.source.Allow(callOf(ctx).source) {
		return nil, fail(http.StatusTooManyRequests, "RateLimited", "too many tries to sign in from this address", "wait a few seconds")
	}
	address, a, err := s.cfg.OIDC.Provider.Begin(ctx)
	if err != nil {
		return nil, kubeError(err)
	}
	id := s.attempts.put(attempt{Attempt: a, back: ownPath(in.Body.Back)})
	out := &oidcStartOutput{SetCookie: attemptCookieOf(id, int(attemptLife.Seconds()))}
	out.Body.URL = address
	return out, nil
}

// ownPath lets nobody be sent to another site after sign-in.
func ownPath(back string) string {
	u, err := url.Parse(back)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.ContainsAny(back, "\\\r\n") {
		return "/clusters"
	}
	return back
}

func attemptCookieOf(value string, maxAge int) http.Cookie {
	c := sessionCookie(value, maxAge)
	c.Name, c.SameSite = attemptCookie, http.SameSiteLaxMode
	return c
}

// finishInput takes the request itself: the issuer chooses the query's fields.
type finishInput struct{ request *http.Request }

// Resolve implements huma.Resolver.
func (f *finishInput) Resolve(ctx huma.Context) []error {
	f.request, _ = humago.Unwrap(ctx)
	return nil
}

// finishOIDC is a page load, so it answers problems with a page, too: the sign-in
// page gets a word for each.
func (s *Server) finishOIDC(ctx context.Context, in *finishInput) (*oidcFinishOutput, error) {
	forget := attemptCookieOf("", -1)
	out := &oidcFinishOutput{Status: http.StatusSeeOther, SetCookie: []string{forget.String()}}
	a, sess, err := s.finish(ctx, in.request)
	if err != nil {
		word := problemWord(err)
		note(ctx, "problem", word)
		s.log.WarnContext(ctx, "sign-in at the OIDC issuer", "problem", word, "error", err)
		out.Location = "/sign-in?" + url.Values{"problem": {word}}.Encode()
		return out, nil
	}
	cookie := sessionCookie(sess.id, s.cookieLife(sess))
	out.Location, out.SetCookie = a.back, append(out.SetCookie, cookie.String())
	callOf(ctx).sess = sess
	return out, nil
}

// errNoAttempt: the browser has no sign-in under way, or it took too long.
var errNoAttempt = errors.New("no such sign-in is under way")

func (s *Server) finish(ctx context.Context, r *http.Request) (attempt, *session, error) {
	if s.cfg.OIDC == nil {
		return attempt{}, nil, errNoAttempt
	}
	if !s.signIns.source.Allow(callOf(ctx).source) {
		return attempt{}, nil, errTooMany
	}
	cookie, err := r.Cookie(attemptCookie)
	if err != nil {
		return attempt{}, nil, errNoAttempt
	}
	a, ok := s.attempts.take(cookie.Value)
	if !ok {
		return attempt{}, nil, errNoAttempt
	}
	got, err := s.cfg.OIDC.Provider.Finish(ctx, a.Attempt, r.URL.Query())
	if err != nil {
		return attempt{}, nil, err
	}
	sess, err := s.openLogin(ctx, got)
	return a, sess, err
}

var errTooMany = errors.New("too many tries to sign in from this address")

// problemWord is what the sign-in page has a text for.
func problemWord(err error) string {
	var own *Error
	switch {
	case errors.Is(err, errNoAttempt):
		return "Expired"
	case errors.Is(err, errTooMany):
		return "RateLimited"
	case errors.Is(err, oidc.ErrDenied):
		return "Denied"
	case errors.Is(err, oidc.ErrUnreachable):
		return "Unreachable"
	case errors.Is(err, oidc.ErrClaims):
		return "NoUser"
	case errors.As(err, &own) && own.Code == "TokenRejected":
		return "NotAccepted"
	case errors.As(err, &own):
		return "HostUnreachable"
	}
	return "Invalid"
}
