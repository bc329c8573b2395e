package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"
)

// How long answers are remembered: a kubelet's defaults.
const (
	tokenTTL      = 2 * time.Minute
	allowedTTL    = 5 * time.Minute
	deniedTTL     = 30 * time.Second
	reviewTimeout = 10 * time.Second
)

// retry bounds how often one review is tried again: some four seconds in all.
var retry = &wait.Backoff{Duration: 500 * time.Millisecond, Factor: 1.5, Jitter: 0.2, Steps: 5}

// The ConfigMap in kube-system in which the API server publishes the CA of client
// certificates.
const (
	caConfigMap = "extension-apiserver-authentication"
	caKey       = "client-ca-file"
)

// ErrDenied says that the caller has been answered already.
var ErrDenied = errors.New("the request was refused")

// Control answers for the API server.
type Control struct {
	authn authenticator.Request
	authz authorizer.Authorizer
	ca    *dynamiccertificates.ConfigMapCAController
	log   *slog.Logger
}

// New returns a Control that asks the API server of client.
func New(client kubernetes.Interface, log *slog.Logger) (*Control, error) {
	ca, err := dynamiccertificates.NewDynamicCAFromConfigMapController("client-ca", metav1.NamespaceSystem, caConfigMap, caKey, client)
	if err != nil {
		return nil, fmt.Errorf("follow the cluster's client CA: %w", err)
	}
	authn, _, err := authenticatorfactory.DelegatingAuthenticatorConfig{
		TokenAccessReviewClient:            client.AuthenticationV1(),
		TokenAccessReviewTimeout:           reviewTimeout,
		WebhookRetryBackoff:                retry,
		CacheTTL:                           tokenTTL,
		ClientCertificateCAContentProvider: ca,
	}.New()
	if err != nil {
		return nil, fmt.Errorf("set up authentication: %w", err)
	}
	authz, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: client.AuthorizationV1(),
		AllowCacheTTL:             allowedTTL,
		DenyCacheTTL:              deniedTTL,
		WebhookRetryBackoff:       retry,
	}.New()
	if err != nil {
		return nil, fmt.Errorf("set up authorization: %w", err)
	}
	return &Control{authn: authn, authz: authz, ca: ca, log: log}, nil
}

// Run follows the cluster's client CA until ctx ends.
func (c *Control) Run(ctx context.Context) { c.ca.Run(ctx, 1) }

// WaitForCA returns once the cluster's client CA is known. A cluster without one has
// no client certificates, so it returns after patience as well.
func (c *Control) WaitForCA(ctx context.Context, patience time.Duration) {
	known := func(context.Context) (bool, error) { return c.ca.CurrentCABundleContent() != nil, nil }
	if wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, patience, true, known) != nil && ctx.Err() == nil {
		c.log.Warn("the cluster's client CA is not known; callers need a token", "configMap", metav1.NamespaceSystem+"/"+caConfigMap)
	}
}

// Authenticate says who calls. When it cannot, it answers 401 and returns ErrDenied.
func (c *Control) Authenticate(w http.ResponseWriter, r *http.Request) (user.Info, error) {
	response, ok, err := c.authn.AuthenticateRequest(r)
	if err != nil || !ok {
		c.log.Debug("unauthenticated request", "from", r.RemoteAddr, "path", r.URL.Path, "error", err)
		w.Header().Set("Connection", "close") // a stranger holds no connection open
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return nil, ErrDenied
	}
	return response.User, nil
}

// Authorize asks for the right to what the request wants of a node; with no name, of
// every node. When there is none, it answers as a kubelet does and returns ErrDenied.
func (c *Control) Authorize(w http.ResponseWriter, r *http.Request, who user.Info, node string) error {
	wanted := attributes(who, r, node)
	for _, a := range wanted {
		decision, _, err := c.authz.Authorize(r.Context(), a)
		if err != nil {
			c.log.Error("cannot ask the API server for a right", "user", who.GetName(), "error", err)
			http.Error(w, fmt.Sprintf("Authorization error (%s)", describe(wanted)), http.StatusInternalServerError)
			return ErrDenied
		}
		if decision == authorizer.DecisionAllow {
			return nil
		}
	}
	c.log.Info("forbidden request", "user", who.GetName(), "node", node, "method", r.Method, "path", r.URL.Path, "from", r.RemoteAddr)
	http.Error(w, fmt.Sprintf("Forbidden (%s)", describe(wanted)), http.StatusForbidden)
	return ErrDenied
}

// describe names the right that is missing, in a kubelet's words.
func describe(wanted []authorizer.Attributes) string {
	var subs []string
	for _, a := range wanted {
		subs = append(subs, a.GetSubresource())
	}
	return fmt.Sprintf("user=%s, verb=%s, resource=nodes, subresource(s)=[%s]",
		wanted[0].GetUser().GetName(), wanted[0].GetVerb(), strings.Join(subs, " "))
}
