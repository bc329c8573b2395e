package server

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	authv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authclient "k8s.io/client-go/kubernetes/typed/authentication/v1"

	"github.com/edgeway-io/edgeway/internal/bearer"
	"github.com/edgeway-io/edgeway/internal/clusters"
)

// callLimit bounds a call that answers at once.
const callLimit = 15 * time.Second

// SessionInfo is who is signed in.
type SessionInfo struct {
	User    string    `json:"user"`
	Groups  []string  `json:"groups"`
	Expires time.Time `json:"expires" doc:"When the session ends at the latest"`
}

// SignIn is what a person signs in with.
type SignIn struct {
	Token string `json:"token" minLength:"1" maxLength:"16384" doc:"A bearer token that the host cluster accepts"`
}

type signInOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      SessionInfo
}

type signOutOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

// VersionInfo of the console.
type VersionInfo struct {
	Version string `json:"version"`
}

func (s *Server) sessionRoutes() {
	huma.Register(s.api, op(http.MethodGet, pathAPI+"/health", "getHealth", "Whether the console runs", metaPublic),
		func(context.Context, *struct{}) (*Body[struct {
			Status string `json:"status"`
		}], error) {
			out := &Body[struct {
				Status string `json:"status"`
			}]{}
			out.Body.Status = "ok"
			return out, nil
		})
	huma.Register(s.api, op(http.MethodGet, pathAPI+"/version", "getVersion", "Version of the console", metaPublic),
		func(context.Context, *struct{}) (*Body[VersionInfo], error) {
			return &Body[VersionInfo]{VersionInfo{Version: s.cfg.Version}}, nil
		})
	huma.Register(s.api, op(http.MethodPost, pathAPI+"/session", "signIn", "Sign in with a token", metaPublic), s.signIn)
	huma.Register(s.api, op(http.MethodGet, pathAPI+"/session", "getSession", "Who is signed in"), s.getSession)
	huma.Register(s.api, op(http.MethodDelete, pathAPI+"/session", "signOut", "Sign out; ends every stream of the session"), s.signOut)
}

func (s *Server) signIn(ctx context.Context, in *Body[SignIn]) (*signInOutput, error) {
	c := callOf(ctx)
	token := bearer.Clean(in.Body.Token)
	if !s.signIns.allow(c.source, token) {
		return nil, fail(http.StatusTooManyRequests, "RateLimited", "too many tries to sign in from this address or with this token", "wait a few seconds")
	}
	release, busy := s.admitAnonymous(ctx)
	if busy != nil {
		return nil, busy
	}
	defer release()
	user, err := s.identify(ctx, token)
	if err != nil {
		return nil, err
	}
	sess := s.sessions.open(user.Username, user.Groups, token)
	c.sess = sess
	return &signInOutput{SetCookie: sessionCookie(sess.id, s.cookieLife(sess)), Body: infoOf(sess)}, nil
}

// identify asks the host cluster whose token it is; nobody needs a right for that.
func (s *Server) identify(ctx context.Context, token string) (*authv1.UserInfo, error) {
	host := s.cfg.Clusters.Host().Name
	if token == "" { // the cluster would see somebody anonymous, not a token
		return nil, tokenRejected(host)
	}
	cfg, err := s.cfg.Clusters.ForUser(host, clusters.User{Token: token})
	if err != nil {
		return nil, kubeError(err)
	}
	api, err := authclient.NewForConfig(unlimited(cfg))
	if err != nil {
		return nil, kubeError(err)
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	review, err := api.SelfSubjectReviews().Create(ctx, &authv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		e := kubeError(err)
		if own, ok := e.(*Error); ok && own.status == http.StatusUnauthorized {
			return nil, tokenRejected(host)
		}
		return nil, e
	}
	user := review.Status.UserInfo
	if user.Username == "" || user.Username == "system:anonymous" {
		return nil, tokenRejected(host)
	}
	return &user, nil
}

func tokenRejected(host string) *Error {
	return fail(http.StatusUnauthorized, "TokenRejected", "cluster "+host+" does not accept this token",
		"make a new one, for example with: kubectl create token NAME")
}

func (s *Server) getSession(ctx context.Context, _ *struct{}) (*Body[SessionInfo], error) {
	return &Body[SessionInfo]{infoOf(callOf(ctx).sess)}, nil
}

func (s *Server) signOut(ctx context.Context, _ *struct{}) (*signOutOutput, error) {
	s.sessions.close(callOf(ctx).sess.id, errNoSession)
	return &signOutOutput{SetCookie: sessionCookie("", -1)}, nil
}

func infoOf(sess *session) SessionInfo {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	groups := sess.groups
	if groups == nil {
		groups = []string{}
	}
	return SessionInfo{User: sess.user, Groups: groups, Expires: sess.ends}
}

// cookieLife is in seconds.
func (s *Server) cookieLife(sess *session) int {
	return max(1, int(sess.ends.Sub(s.cfg.Now()).Seconds()))
}

func sessionCookie(value string, maxAge int) http.Cookie {
	return http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}
