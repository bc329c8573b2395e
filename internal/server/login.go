package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/edgeway-io/edgeway/internal/oidc"
)

const (
	// refreshAhead is how long before their end tokens are renewed; a quarter of
	// their life when that is less.
	refreshAhead = 3 * time.Minute
	// refreshPause is between two tries while the issuer does not answer.
	refreshPause = 10 * time.Second
	refreshLimit = 15 * time.Second
)

// errSignedOut: the issuer no longer vouches for the user.
var errSignedOut = errors.New("the issuer no longer vouches for the user")

func issuerEnded() *Error {
	return fail(http.StatusUnauthorized, "IssuerEnded", "the sign-in is over: "+errSignedOut.Error(), "sign in again")
}

// login keeps the tokens of a session that came from OIDC fresh. It is the source of
// the bearer token in every request that the session makes on the host cluster.
type login struct {
	server *Server
	sess   *session

	mu      sync.Mutex
	tokens  oidc.Login
	renewAt time.Time
	over    bool
}

var _ oauth2.TokenSource = (*login)(nil)

// openLogin opens a session for who signed in at the issuer.
func (s *Server) openLogin(ctx context.Context, tokens oidc.Login) (*session, error) {
	name, groups, err := s.identityOf(ctx, tokens)
	if err != nil {
		return nil, err
	}
	sess := s.sessions.make(name, groups)
	sess.login = &login{server: s, sess: sess, tokens: tokens}
	sess.login.plan()
	if tokens.RefreshToken == "" && tokens.Expiry.Before(sess.ends) {
		sess.ends = tokens.Expiry
	}
	s.sessions.add(sess)
	return sess, nil
}

// identityOf asks who decides: the host cluster, or the claims when the console
// impersonates.
func (s *Server) identityOf(ctx context.Context, tokens oidc.Login) (string, []string, error) {
	if s.cfg.OIDC.Impersonate {
		return s.cfg.OIDC.Provider.Identity(tokens)
	}
	user, err := s.identify(ctx, tokens.IDToken)
	if err != nil {
		return "", nil, err
	}
	return user.Username, user.Groups, nil
}

// Token implements oauth2.TokenSource.
func (l *login) Token() (*oauth2.Token, error) {
	raw, err := l.fresh(l.sess.ctx)
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: raw}, nil
}

// fresh gives a valid identity token, renewed when its end is near. It fails with
// errSignedOut, and ends the session, when the issuer refuses.
func (l *login) fresh(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return "", errSignedOut
	}
	now := l.server.cfg.Now()
	if now.Before(l.renewAt) && now.Before(l.tokens.Expiry) {
		return l.tokens.IDToken, nil
	}
	if err := l.renew(ctx); err != nil {
		l.renewAt = now.Add(refreshPause)
		if errors.Is(err, errSignedOut) {
			l.over = true
			l.server.log.InfoContext(ctx, "session ends", "user", l.sess.user, "reason", err)
			l.server.sessions.close(l.sess.id, issuerEnded())
			return "", err
		}
		if !now.Before(l.tokens.Expiry) {
			return "", err
		}
	}
	return l.tokens.IDToken, nil
}

// plan sets when the tokens are to be renewed. It is called when they are new.
func (l *login) plan() {
	life := l.tokens.Expiry.Sub(l.server.cfg.Now())
	l.renewAt = l.tokens.Expiry.Add(-min(refreshAhead, life/4))
}

func (l *login) renew(ctx context.Context) error {
	if l.tokens.RefreshToken == "" {
		return fmt.Errorf("%w: the identity token has expired and there is no refresh token", errSignedOut)
	}
	ctx, cancel := context.WithTimeout(ctx, refreshLimit)
	defer cancel()
	tokens, err := l.server.cfg.OIDC.Provider.Refresh(ctx, l.tokens)
	if errors.Is(err, oidc.ErrUnreachable) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errSignedOut, err)
	}
	l.tokens = tokens // the old refresh token may be used up
	if !l.server.cfg.Now().Before(tokens.Expiry) {
		return fmt.Errorf("%w: it renews no identity token", errSignedOut)
	}
	l.plan()
	return l.identify(ctx)
}

// identify takes over changed groups. A user who became somebody else has to sign in.
func (l *login) identify(ctx context.Context) error {
	name, groups, err := l.server.identityOf(ctx, l.tokens)
	var own *Error
	switch {
	case errors.Is(err, oidc.ErrClaims), errors.As(err, &own) && own.status == http.StatusUnauthorized:
		return fmt.Errorf("%w: %w", errSignedOut, err)
	case err != nil:
		l.server.log.DebugContext(ctx, "ask again who is signed in", "user", l.sess.user, "error", err)
		return nil // the host cluster is down; it will decide when it is back
	case name != l.sess.user:
		return fmt.Errorf("%w: its token now names %q", errSignedOut, name)
	}
	l.sess.adopt(groups)
	return nil
}
