package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/sync/errgroup"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

const (
	// reviewEvery is how soon a session notices that its token is no longer good.
	reviewEvery   = time.Minute
	reviewsAtOnce = 8
	// doubtPatience bounds a review that a 401 asked for.
	doubtPatience = 5 * time.Second
)

// errStoredCredentials: a member cluster does not accept what the console has stored for it.
var errStoredCredentials = errcat.New("KubeconfigRejected", "the cluster does not accept the credentials that are stored for it")

// reviewAll asks the host cluster about the token of every session.
func (s *Server) reviewAll(ctx context.Context) {
	var group errgroup.Group
	group.SetLimit(reviewsAtOnce)
	for _, sess := range s.sessions.live() {
		group.Go(func() error {
			s.review(ctx, sess)
			return nil
		})
	}
	_ = group.Wait() // nobody returns an error
}

// review ends a session, and its streams with it, when the host cluster does not accept
// its token any more, or when the token is now somebody else's. A host cluster that gives
// no answer ends nothing: it will decide when it is back.
func (s *Server) review(ctx context.Context, sess *session) {
	token := sess.token
	if sess.login != nil {
		fresh, err := sess.login.fresh(ctx) // ends the session when the issuer refuses
		if err != nil {
			s.log.DebugContext(ctx, "refresh the tokens of a session", "user", sess.user, "error", err)
			return
		}
		if s.cfg.OIDC.Impersonate {
			return // the host cluster does not know the issuer
		}
		token = fresh
	}
	user, err := s.identify(ctx, token)
	switch {
	case err != nil && asError(err).status == http.StatusUnauthorized:
		s.endSession(ctx, sess, errTokenEnded)
	case err != nil:
		s.log.DebugContext(ctx, "review the token of a session", "user", sess.user, "error", err)
	case user.Username != sess.user:
		s.endSession(ctx, sess, errTokenEnded)
	default:
		sess.adopt(user.Groups)
	}
}

func (s *Server) endSession(ctx context.Context, sess *session, why *Error) {
	s.log.InfoContext(ctx, "session ends", "user", sess.user, "reason", why)
	s.sessions.close(sess.id, why)
}

// adopt takes over changed groups: clients for other clusters carry them.
func (x *session) adopt(groups []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if slices.Equal(groups, x.groups) {
		return
	}
	x.groups = groups
	clear(x.clients)
	clear(x.mayUse)
}

// doubting reviews a session as soon as the host cluster answers one of its requests with
// 401, instead of with the next round. One review runs at a time for a session.
func (s *Server) doubting(sess *session) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if err == nil && res.StatusCode == http.StatusUnauthorized {
				s.doubt(sess)
			}
			return res, err
		})
	}
}

func (s *Server) doubt(sess *session) {
	select {
	case sess.doubt <- struct{}{}:
	default:
		return // a review is under way
	}
	go func() {
		defer func() { <-sess.doubt }()
		ctx, cancel := context.WithTimeout(sess.ctx, doubtPatience)
		defer cancel()
		s.review(ctx, sess)
	}()
}

// storedCredentials tells a member cluster's 401 from the host cluster's: the user's token
// never goes to a member, so signing in again would not help.
func storedCredentials(cluster string) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if err != nil || res.StatusCode != http.StatusUnauthorized {
				return res, err
			}
			res.Body.Close()
			return nil, fmt.Errorf("cluster %s: %w", cluster, errStoredCredentials)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// expiryOf reads when a token ends, if it is a JWT that says so. Nothing but the display
// and the end of a session may depend on it: the signature is not verified here.
func expiryOf(token string) (time.Time, bool) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512,
		jose.PS256, jose.PS384, jose.PS512, jose.EdDSA, jose.HS256, jose.HS384, jose.HS512,
	})
	if err != nil {
		return time.Time{}, false
	}
	var claims jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil || claims.Expiry == nil {
		return time.Time{}, false
	}
	return claims.Expiry.Time(), true
}
