package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// cookieName has the __Host- prefix: browsers then insist on Secure, path / and no domain.
const cookieName = "__Host-edgeway"

// idleHeader is sent by the web UI with requests that nobody asked for, such as a
// list that refreshes itself; they do not keep a session alive.
const idleHeader = "X-Edgeway-Idle"

// Metadata of an operation.
const (
	metaPublic = "public" // answers without sign-in
	metaOrigin = "origin" // requires our own Origin though it changes nothing
	metaChange = "change" // changes something though it is a GET
	metaDevice = "device" // called by devices, which have no Origin and no cookie
)

type callKey struct{}

// call is what the handlers know about a request beside its input.
type call struct {
	sess *session
	// remote is the client's address for people, source what limits count it by.
	remote string
	source string
	https  bool
	host   string
	// about is what the audit line says beside user and operation.
	about []slog.Attr
}

func callOf(ctx context.Context) *call {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return &call{}
	}
	return c
}

// note adds to the audit line. Never a secret.
func note(ctx context.Context, key, value string) {
	c := callOf(ctx)
	c.about = append(c.about, slog.String(key, value))
}

func flagged(op *huma.Operation, name string) bool {
	on, _ := op.Metadata[name].(bool)
	return on
}

// withCall lets a request through only when origin and sign-in are in order, and
// writes the audit line.
func (s *Server) withCall(ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	c := &call{remote: s.cfg.Proxies.Client(r), source: s.cfg.Proxies.Source(r), https: r.TLS != nil, host: r.Host}
	ctx = huma.WithValue(ctx, callKey{}, c)
	defer s.audit(ctx, c)
	op := ctx.Operation()
	if needsOrigin(op) && !s.ownOrigin(r) {
		s.refuse(ctx, fail(http.StatusForbidden, "ForeignOrigin", "the request does not come from the console's own pages",
			"open the console under the address that it is served at, or set --external-url"))
		return
	}
	if !flagged(op, metaPublic) {
		sess, err := s.sessionOf(r)
		if err != nil {
			s.refuse(ctx, err)
			return
		}
		c.sess = sess
	}
	if e := checkNames(op, ctx, r.URL.Query()); e != nil {
		s.refuse(ctx, e)
		return
	}
	release, e := s.admit(ctx, c)
	if e != nil {
		s.refuse(ctx, e)
		return
	}
	defer release()
	next(ctx)
}

func (s *Server) sessionOf(r *http.Request) (*session, *Error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil, errNoSession
	}
	return s.sessions.get(cookie.Value, r.Header.Get(idleHeader) == "")
}

func (s *Server) refuse(ctx huma.Context, e *Error) {
	ctx.SetHeader("Content-Type", "application/json")
	ctx.SetStatus(e.status)
	if err := s.api.Marshal(ctx.BodyWriter(), "application/json", e); err != nil {
		s.log.Debug("write refusal", "error", err)
	}
}

// needsOrigin: changes and streams may only come from our own pages. Devices have
// no pages, and no cookie either.
func needsOrigin(op *huma.Operation) bool {
	if flagged(op, metaDevice) {
		return false
	}
	return flagged(op, metaOrigin) || (op.Method != http.MethodGet && op.Method != http.MethodHead)
}

// ownOrigin compares the Origin header with the address that the request was sent
// to and with the external URL. Browsers leave Origin out of same-origin GETs
// (an EventSource is one) but then say so in Sec-Fetch-Site.
func (s *Server) ownOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Site") == "same-origin"
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	if ext := s.cfg.ExternalURL; ext != nil && u.Scheme == ext.Scheme && u.Host == ext.Host {
		return true
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return u.Scheme == scheme && u.Host == r.Host
}

// audit writes one line for every change and every refusal.
func (s *Server) audit(ctx huma.Context, c *call) {
	op := ctx.Operation()
	status := ctx.Status()
	change := flagged(op, metaChange) || op.Method != http.MethodGet && op.Method != http.MethodHead
	refused := status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests
	if !change && !refused {
		return
	}
	attrs := []slog.Attr{
		slog.String("operation", op.OperationID), slog.Int("status", status), slog.String("remote", c.remote),
	}
	if c.sess != nil {
		attrs = append(attrs, slog.String("user", c.sess.user))
	}
	for _, p := range op.Parameters {
		if p.In == "path" {
			attrs = append(attrs, slog.String(p.Name, ctx.Param(p.Name)))
		}
	}
	s.log.LogAttrs(ctx.Context(), slog.LevelInfo, "audit", append(attrs, c.about...)...)
}

// auditEnd writes how an operation ended: the cluster may refuse it after the request
// that began it was answered.
func (s *Server) auditEnd(ctx context.Context, kind, key, user string, err error) {
	outcome := "Done"
	if err != nil {
		outcome = asError(kubeError(err)).Code
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "audit", slog.String("operation", kind), slog.String("outcome", outcome),
		slog.String("user", user), slog.String("on", key))
}

// clusterCall gives the clients of the signed-in user for a cluster, and a context
// that ends after limit, for calls that answer at once.
func (s *Server) clusterCall(ctx context.Context, cluster string, limit time.Duration) (context.Context, context.CancelFunc, *clusterClients, error) {
	clients, err := s.clientsOf(ctx, callOf(ctx).sess, cluster)
	if err != nil {
		return nil, nil, nil, kubeError(err)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	return ctx, cancel, clients, nil
}
