package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	authorization "k8s.io/client-go/kubernetes/typed/authorization/v1"

	"github.com/edgeway-io/edgeway/internal/samples"
)

const (
	// firstSample is how long an answer waits for a node that was not sampled before.
	firstSample = 4 * time.Second
	// mostAtOnce nodes are sampled for one question.
	mostAtOnce = 200
	// trendIntervals of a node's trend.
	trendIntervals = 30
)

// Collector samples what somebody looks at.
type Collector interface {
	// Touch says that somebody looks at a node; the channel is closed after its first try.
	Touch(node string) <-chan struct{}
}

// Cluster knows which nodes there are and where pods run. Its errors are
// Kubernetes' own.
type Cluster interface {
	// HasNode fails with NotFound where there is no such node.
	HasNode(ctx context.Context, name string) error
	// NodeOf a pod; "" while it runs nowhere.
	NodeOf(ctx context.Context, namespace, pod string) (string, error)
	// PodNodes are the pods of a namespace ("" for all) with the node that each runs on.
	PodNodes(ctx context.Context, namespace string) (map[samples.PodKey]string, error)
}

// Past is a source of longer histories.
type Past interface {
	Node(ctx context.Context, node string, since time.Duration, now time.Time) (*samples.History, error)
	Pod(ctx context.Context, namespace, pod string, since time.Duration, now time.Time) (*samples.History, map[string]*samples.History, error)
}

// Config of a Server.
type Config struct {
	Store     *samples.Store
	Trends    *samples.Trends
	Collector Collector
	Cluster   Cluster
	// Past is Prometheus; nil when none is configured.
	Past Past
	// Authenticator knows who asks from what the apiserver says.
	Authenticator authenticator.Request
	Reviews       authorization.SubjectAccessReviewInterface
	// Keep is how long the Store remembers.
	Keep time.Duration
	Log  *slog.Logger
	Now  func() time.Time
}

// Server answers the requests of the aggregated API.
type Server struct {
	Config
	authorizer *authorizer
	mux        *http.ServeMux
}

// New makes a Server.
func New(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{Config: c, authorizer: newAuthorizer(c.Reviews), mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /apis/"+samples.Group, s.discovery(groupDiscovery()))
	s.mux.HandleFunc("GET "+samples.Path, s.discovery(resourceDiscovery()))
	s.handle("/nodes", "list", "nodes", s.nodes)
	s.handle("/nodes/{name}", "get", "nodes", s.node)
	s.handle("/pods", "list", "pods", s.pods)
	s.handle("/namespaces/{namespace}/pods", "list", "pods", s.pods)
	s.handle("/namespaces/{namespace}/pods/{name}", "get", "pods", s.pod)
	return s
}

// ServeHTTP refuses everybody whom the apiserver does not vouch for.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, ok, err := s.Authenticator.AuthenticateRequest(r)
	if err != nil || !ok {
		fail(w, http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "this API is reached through kube-apiserver only")
		return
	}
	s.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, who.User)))
}

type userKey struct{}

// question is a request that was let through.
type question struct {
	namespace, name string
	since           time.Duration
	now             time.Time
}

// query is what of the store belongs to the question.
func (q question) query() samples.Query { return samples.Query{Since: q.since, Now: q.now} }

// handle lets a request through when the user has the same right in metrics.k8s.io.
func (s *Server) handle(path, verb, resource string, answer func(context.Context, question) (any, error)) {
	s.mux.HandleFunc("GET "+samples.Path+path, func(w http.ResponseWriter, r *http.Request) {
		q := question{namespace: r.PathValue("namespace"), name: r.PathValue("name"), now: s.Now().UTC()}
		u, _ := r.Context().Value(userKey{}).(user.Info)
		allowed, reason, err := s.authorizer.allowed(r.Context(), u, verb, resource, q.namespace, q.name)
		switch {
		case err != nil:
			s.Log.Error("review of a user's right", "error", err)
			fail(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, "the user's right could not be reviewed: "+err.Error())
			return
		case !allowed:
			fail(w, http.StatusForbidden, metav1.StatusReasonForbidden, forbidden(u.GetName(), verb, resource, q, reason))
			return
		}
		if q.since, err = sinceOf(r.URL.Query().Get("sinceSeconds")); err != nil {
			fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
			return
		}
		body, err := answer(r.Context(), q)
		if err != nil {
			failWith(w, err)
			return
		}
		reply(w, http.StatusOK, body)
	})
}

func forbidden(who, verb, resource string, q question, reason string) string {
	msg := fmt.Sprintf("user %q cannot %s resource %q in API group \"metrics.k8s.io\"", who, verb, resource)
	if q.namespace != "" {
		msg += fmt.Sprintf(" in the namespace %q", q.namespace)
	} else {
		msg += " at the cluster scope"
	}
	if reason != "" {
		msg += ": " + reason
	}
	return msg
}

// sinceOf reads a number of seconds; none means no history.
func sinceOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	const most = 31 * 24 * 3600
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("sinceSeconds %q is no number between 1 and %d; give the length of the history in seconds", text, most)
	}
	return time.Duration(n) * time.Second, nil
}

func (s *Server) discovery(body any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, body) }
}

func groupDiscovery() metav1.APIGroup {
	version := metav1.GroupVersionForDiscovery{GroupVersion: samples.APIVersion, Version: samples.Version}
	return metav1.APIGroup{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}, Name: samples.Group,
		Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version,
	}
}

func resourceDiscovery() metav1.APIResourceList {
	verbs := metav1.Verbs{"get", "list"}
	return metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: samples.APIVersion,
		APIResources: []metav1.APIResource{
			{Name: "nodes", Kind: "NodeSamples", Verbs: verbs},
			{Name: "pods", Kind: "PodSamples", Namespaced: true, Verbs: verbs},
		},
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a reader that left needs no answer
}

func fail(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	reply(w, code, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
	})
}
