package hub

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/sandbox/standin/pki"
	"github.com/edgeway-io/edgeway/sandbox/standin/serve"
)

// seen is what the API server got.
type seen struct {
	Method, Path, User, Group, Authorization, Extra string
	Body                                            map[string]any
}

type port int

func (p port) KubeletPort(context.Context, string) (int, error) { return int(p), nil }

// credentials stand for CloudCore's own.
type credentials struct{ next http.RoundTripper }

func (c credentials) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer cloudcore")
	}
	return c.next.RoundTrip(r)
}

type site struct {
	hub     *Hub
	address string
	ca      pki.Pair
	seen    chan seen
}

func start(t *testing.T, limit int) site {
	t.Helper()
	s := site{seen: make(chan seen, 10)}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := seen{Method: r.Method, Path: r.URL.RequestURI(), User: r.Header.Get("Impersonate-User"),
			Group: strings.Join(r.Header.Values("Impersonate-Group"), ","), Authorization: r.Header.Get("Authorization"),
			Extra: r.Header.Get("Impersonate-Extra-Scopes") + r.Header.Get("X-Remote-User")}
		if data, _ := io.ReadAll(r.Body); len(data) > 0 {
			if err := json.Unmarshal(data, &got.Body); err != nil {
				t.Errorf("body %q: %v", data, err)
			}
		}
		s.seen <- got
		if r.URL.Query().Get("watch") == "true" {
			_, _ = io.WriteString(w, "event 1\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}))
	t.Cleanup(api.Close)
	upstream, err := url.Parse(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.hub = New(upstream, credentials{http.DefaultTransport}, port(10352), limit)
	if s.ca, err = pki.NewCA("KubeEdge"); err != nil {
		t.Fatal(err)
	}
	own, err := s.issue("KubeEdge", nil)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := s.ca.Pool()
	if err != nil {
		t.Fatal(err)
	}
	l, err := serve.Listen("test", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = "https://" + l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve.Run(ctx, l, s.hub, TLS(own, pool), s.hub.Configure) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("hub: %v", err)
		}
	})
	return s
}

func (s site) issue(name string, organization []string) (tls.Certificate, error) {
	pair, err := s.ca.Issue(pki.Request{CommonName: name, Organization: organization, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Life: time.Hour,
		Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return tls.Certificate{}, err
	}
	return pair.TLS()
}

// client gives an HTTP client with a certificate, as a kubelet has: HTTP/2.
func (s site) client(t *testing.T, name string, organization ...string) *http.Client {
	t.Helper()
	cert, err := s.issue(name, organization)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := s.ca.Pool()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func do(t *testing.T, c *http.Client, method, url, kind, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	for name, value := range map[string]string{"Authorization": "Bearer stolen", "Impersonate-User": "admin", "Impersonate-Group": "system:masters",
		"Impersonate-Extra-Scopes": "all", "X-Remote-User": "admin"} {
		req.Header.Set(name, value)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestRequestsAreMadeInTheNodesName(t *testing.T) {
	s := start(t, 10)
	jetson := s.client(t, "system:node:jetson", "system:nodes")
	const user, group, own = "system:node:jetson", "system:nodes", "Bearer cloudcore"
	statusPath := "/api/v1/nodes/jetson/status"
	endpoint := func(n float64) map[string]any {
		return map[string]any{"kubeletEndpoint": map[string]any{"Port": n}}
	}
	tests := map[string]struct {
		method, path, kind, body string
		want                     seen
	}{
		"plain": {"GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Djetson", "", "",
			seen{Method: "GET", Path: "/api/v1/pods?fieldSelector=spec.nodeName%3Djetson", User: user, Group: group, Authorization: own}},
		"registration is CloudCore's own": {"POST", "/api/v1/nodes", "application/json",
			`{"kind":"Node","metadata":{"name":"jetson","labels":{"a":"b"}},"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":10250}}}}`,
			seen{Method: "POST", Path: "/api/v1/nodes", Authorization: own, Body: map[string]any{
				"kind": "Node",
				"metadata": map[string]any{"name": "jetson", "labels": map[string]any{
					"a": "b", "node-role.kubernetes.io/edge": "", "node-role.kubernetes.io/agent": ""}},
				"status": map[string]any{"daemonEndpoints": endpoint(10350)}}}},
		"status patch keeps the port": {"PATCH", statusPath, "application/strategic-merge-patch+json",
			`{"status":{"phase":"x","daemonEndpoints":{"kubeletEndpoint":{"Port":10250}}}}`,
			seen{Method: "PATCH", Path: statusPath, User: user, Group: group, Authorization: own,
				Body: map[string]any{"status": map[string]any{"phase": "x"}}}},
		"status put keeps the port": {"PUT", statusPath, "application/json",
			`{"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":10250}}}}`,
			seen{Method: "PUT", Path: statusPath, User: user, Group: group, Authorization: own,
				Body: map[string]any{"status": map[string]any{"daemonEndpoints": endpoint(10352)}}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, body := do(t, jetson, tt.method, s.address+tt.path, tt.kind, tt.body)
			if code != http.StatusOK {
				t.Fatalf("got %d %s", code, body)
			}
			if diff := cmp.Diff(tt.want, <-s.seen); diff != "" {
				t.Errorf("at the API server (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	s := start(t, 10)
	jetson := s.client(t, "system:node:jetson", "system:nodes")
	for name, tt := range map[string]struct {
		client                   *http.Client
		method, path, kind, body string
		status                   int
	}{
		"registers another node":  {jetson, "POST", "/api/v1/nodes", "application/json", `{"metadata":{"name":"master"}}`, 400},
		"protobuf status":         {jetson, "PATCH", "/api/v1/nodes/jetson/status", "application/vnd.kubernetes.protobuf", "k8s", 400},
		"broken body":             {jetson, "POST", "/api/v1/nodes", "application/json", "{", 400},
		"no node's certificate":   {s.client(t, "someone", "system:nodes"), "GET", "/api/v1/nodes", "", "", 403},
		"not in the nodes' group": {s.client(t, "system:node:jetson"), "GET", "/api/v1/nodes", "", "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			code, body := do(t, tt.client, tt.method, s.address+tt.path, tt.kind, tt.body)
			if code != tt.status || !strings.Contains(body, `"kind":"Status"`) {
				t.Errorf("got %d %s, want %d and a Status", code, body, tt.status)
			}
			select {
			case got := <-s.seen:
				t.Errorf("the API server got %v", got)
			default:
			}
		})
	}
	t.Run("without a certificate", func(t *testing.T) {
		pool, err := s.ca.Pool()
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
		resp, err := client.Get(s.address + "/api")
		if err == nil {
			t.Errorf("got %s, want no connection", errors.Join(errors.New(resp.Status), resp.Body.Close()))
		}
	})
}

func TestWatchIsPassedOnAtOnce(t *testing.T) {
	s := start(t, 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address+"/api/v1/pods?watch=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.client(t, "system:node:jetson", "system:nodes").Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || line != "event 1\n" {
		t.Errorf("got %q, %v while the watch is open", line, err)
	}
	if resp.ProtoMajor != 2 {
		t.Errorf("the kubelet was served %s, want HTTP/2", resp.Proto)
	}
}

func TestNodeLimit(t *testing.T) {
	s := start(t, 1)
	first, second := s.client(t, "system:node:a", "system:nodes"), s.client(t, "system:node:b", "system:nodes")
	if code, body := do(t, first, "GET", s.address+"/api", "", ""); code != 200 {
		t.Fatalf("first node: %d %s", code, body)
	}
	if code, body := do(t, second, "GET", s.address+"/api", "", ""); code != 503 || !strings.Contains(body, "nodeLimit") {
		t.Errorf("second node: %d %s, want 503 about nodeLimit", code, body)
	}
	if n := s.hub.Connected(); n != 1 {
		t.Errorf("%d nodes are connected, want 1", n)
	}
	first.CloseIdleConnections()
	// The server learns of the end when it reads; give it until the deadline.
	for deadline := time.Now().Add(10 * time.Second); s.hub.Connected() != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a node that left is still counted")
		}
	}
	if code, body := do(t, second, "GET", s.address+"/api", "", ""); code != 200 {
		t.Errorf("second node after the first left: %d %s", code, body)
	}
}
