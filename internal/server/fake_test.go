package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/runtime"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// fakeCluster is a kube-apiserver that knows the tokens "admin" and "viewer", and
// others that a test adds.
type fakeCluster struct {
	*httptest.Server
	mux *http.ServeMux
	// user is who has the token, "" for nobody.
	user func(token string) string
	// broken has every answer be 503.
	broken atomic.Bool
	// watch sees every request; nil for nobody.
	watch func(r *http.Request, body string)
}

func newFakeCluster(t *testing.T) *fakeCluster {
	t.Helper()
	f := &fakeCluster{mux: http.NewServeMux(), user: func(string) string { return "" }}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.broken.Load() {
			status(w, http.StatusServiceUnavailable, "ServiceUnavailable")
			return
		}
		if token := tokenOf(r); token != "admin" && token != "viewer" && f.user(token) == "" {
			status(w, http.StatusUnauthorized, "Unauthorized")
			return
		}
		if f.watch != nil {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			f.watch(r, string(body))
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		if r.URL.Query().Get("watch") != "" {
			status(w, http.StatusForbidden, "Forbidden") // who may list need not be allowed to watch
			return
		}
		f.mux.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	f.mux.HandleFunc("POST /apis/authentication.k8s.io/v1/selfsubjectreviews", func(w http.ResponseWriter, r *http.Request) {
		reply(w, map[string]any{"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "status": map[string]any{
			"userInfo": map[string]any{"username": cmp.Or(f.user(tokenOf(r)), tokenOf(r)), "groups": []string{"people"}},
		}})
	})
	f.mux.HandleFunc("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", func(w http.ResponseWriter, r *http.Request) {
		reply(w, map[string]any{"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
			"status": map[string]any{"allowed": tokenOf(r) == "admin"}})
	})
	f.mux.HandleFunc("GET /api/v1/nodes", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"kind": "NodeList", "apiVersion": "v1", "items": []any{map[string]any{
			"metadata": map[string]any{"name": "edge-1", "labels": map[string]string{"node-role.kubernetes.io/edge": ""}},
			"status": map[string]any{
				"addresses":       []any{map[string]string{"type": "InternalIP", "address": "192.168.100.1"}},
				"conditions":      []any{map[string]string{"type": "Ready", "status": "True"}},
				"daemonEndpoints": map[string]any{"kubeletEndpoint": map[string]int{"Port": 10351}},
			},
		}}})
	})
	f.mux.HandleFunc("GET /api/v1/pods", func(w http.ResponseWriter, r *http.Request) {
		if tokenOf(r) == "viewer" {
			status(w, http.StatusForbidden, "Forbidden")
			return
		}
		reply(w, map[string]any{"kind": "PodList", "apiVersion": "v1", "items": []any{}})
	})
	return f
}

func tokenOf(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func status(w http.ResponseWriter, code int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason})
}

// contexts are clusters of a kubeconfig by name; "host" is the current one.
func contexts(t *testing.T, servers map[string]string) *clusters.Kubeconfig {
	t.Helper()
	config := api.NewConfig()
	config.CurrentContext = "host"
	for name, server := range servers {
		config.Clusters[name] = &api.Cluster{Server: server}
		config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: "console"}
	}
	config.AuthInfos["console"] = &api.AuthInfo{Token: "admin"}
	return clustersOf(t, config)
}

func clustersOf(t *testing.T, config *api.Config) *clusters.Kubeconfig {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	out, err := clusters.FromKubeconfig(file)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fakeKubeEdge takes two steps and remembers what it was told.
type fakeKubeEdge struct {
	mu      sync.Mutex
	applied []settings.Settings
	hold    chan struct{}
}

func (f *fakeKubeEdge) Status(context.Context, *rest.Config) (runtime.Status, error) {
	s := settings.Default(settings.NodePort)
	return runtime.Status{State: runtime.StateEnabled, Settings: &s, Ports: s.Ports(), Addresses: []string{savedAddress}}, nil
}

// savedAddress is where edge nodes reach the fake KubeEdge.
const savedAddress = "203.0.113.7"

func (f *fakeKubeEdge) Defaults(_ context.Context, _ *rest.Config, t settings.ServiceType) (KubeEdgeDefaults, error) {
	return KubeEdgeDefaults{Settings: settings.Default(t), Problems: []settings.Problem{}}, nil
}

func (f *fakeKubeEdge) Plan(context.Context, *rest.Config, settings.Settings) (runtime.Plan, error) {
	return runtime.Plan{Action: runtime.ActionInstall}, nil
}

func (f *fakeKubeEdge) Enable(_ context.Context, _ *rest.Config, s settings.Settings, _ runtime.Options, progress runtime.Progress) error {
	progress(runtime.Step{Name: "release", State: runtime.StepRunning})
	if f.hold != nil {
		<-f.hold
	}
	progress(runtime.Step{Name: "release", State: runtime.StepDone})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.applied = append(f.applied, s)
	return nil
}

func (f *fakeKubeEdge) Disable(context.Context, *rest.Config, runtime.DisableOptions, runtime.Progress) error {
	return nil
}

// console is a running server with a clock of its own.
type console struct {
	*httptest.Server
	t        *testing.T
	srv      *Server
	kubeEdge *fakeKubeEdge
	log      *lockedBuffer
	now      time.Time
	mu       sync.Mutex
}

func newConsole(t *testing.T, cluster *fakeCluster, edit ...func(*Config)) *console {
	t.Helper()
	c := &console{t: t, kubeEdge: &fakeKubeEdge{}, log: &lockedBuffer{}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	cfg := Config{
		Version: "v1", Clusters: contexts(t, map[string]string{"host": cluster.URL}), KubeEdge: c.kubeEdge,
		UI:  fstest.MapFS{"index.html": {Data: []byte("<h1>console</h1>")}, "assets/a.js": {Data: []byte(strings.Repeat("x", 4096))}},
		Log: slog.New(slog.NewTextHandler(c.log, nil)),
		Now: c.clock,
	}
	for _, f := range edit {
		f(&cfg)
	}
	var err error
	if c.srv, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	c.Server = httptest.NewServer(c.srv.Handler())
	t.Cleanup(c.Close)
	return c
}

func (c *console) clock() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *console) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// do sends a request as the console's own page would. edit may change it.
func (c *console) do(method, path, cookie, body string, edit ...func(*http.Request)) (*http.Response, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Origin", c.URL)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if cookie != "" {
		req.AddCookie(&http.Cookie{Name: cookieName, Value: cookie})
	}
	for _, f := range edit {
		f(req)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res, string(raw)
}

// signIn gives the session's cookie.
func (c *console) signIn(token string) string {
	c.t.Helper()
	res, body := c.do("POST", "/api/v1/session", "", `{"token":"`+token+`"}`)
	if res.StatusCode != http.StatusOK {
		c.t.Fatalf("sign in: %s: %s", res.Status, body)
	}
	for _, cookie := range res.Cookies() {
		if cookie.Name == cookieName {
			return cookie.Value
		}
	}
	c.t.Fatal("sign in set no cookie")
	return ""
}

func codeIn(t *testing.T, body string) string {
	t.Helper()
	var e Error
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("not an error body: %q", body)
	}
	return e.Code
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
