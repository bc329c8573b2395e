package stream_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/hub"
	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/stream"
	edge "github.com/edgeway-io/edgeway/sandbox/standin/edgecore/stream"
	"github.com/edgeway-io/edgeway/sandbox/standin/pki"
	"github.com/edgeway-io/edgeway/sandbox/standin/serve"
)

// soon is how long the tests wait for what must happen; none waits for what must
// not.
const soon = 10 * time.Second

// cluster stands for Kubernetes: pods bound to nodes, and the nodes' ports.
type cluster struct {
	mu    sync.Mutex
	pods  map[string]string
	ports map[string]int
	set   chan string
}

func (c *cluster) NodeOf(_ context.Context, namespace, pod string) (string, error) {
	node, ok := c.pods[namespace+"/"+pod]
	if !ok {
		return "", errors.New("not found")
	}
	return node, nil
}

func (c *cluster) SetKubeletPort(_ context.Context, node string, port int) error {
	c.mu.Lock()
	c.ports[node] = port
	c.mu.Unlock()
	c.set <- node
	return nil
}

type site struct {
	t       *testing.T
	cluster *cluster
	ca      pki.Pair
	tunnel  string // HOST:PORT
	stream  string
	client  *http.Client
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, cluster: &cluster{ports: map[string]int{}, set: make(chan string, 10), pods: map[string]string{
		"default/hello": "jetson", "default/other": "raspberry"}}}
	var err error
	if s.ca, err = pki.NewCA("KubeEdge"); err != nil {
		t.Fatal(err)
	}
	own := s.issue("KubeEdge")
	pool, err := s.ca.Pool()
	if err != nil {
		t.Fatal(err)
	}
	tunnels := stream.NewTunnels(s.cluster, 10351)
	s.tunnel = s.serve(tunnels.Handler(), hub.TLS(own, pool))
	s.stream = s.serve(stream.NewServer(tunnels, s.cluster).Handler(), &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequestClientCert})
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport}
	return s
}

func (s *site) issue(name string) tls.Certificate {
	s.t.Helper()
	pair, err := s.ca.Issue(pki.Request{CommonName: name, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Life: time.Hour,
		Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	if err != nil {
		s.t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		s.t.Fatal(err)
	}
	return cert
}

func (s *site) serve(h http.Handler, conf *tls.Config) string {
	s.t.Helper()
	l, err := serve.Listen("test", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve.Run(ctx, l, h, conf, nil) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("server: %v", err)
		}
	})
	return l.Addr().String()
}

// join connects an edge node whose kubelet is the given handler, waits for its
// tunnel and gives a function that cuts it.
func (s *site) join(node, ip string, kubelet http.Handler) func() {
	s.t.Helper()
	server := httptest.NewServer(kubelet)
	s.t.Cleanup(server.Close)
	pool, err := s.ca.Pool()
	if err != nil {
		s.t.Fatal(err)
	}
	client := &edge.Client{
		Server: s.tunnel, Node: node, IP: ip,
		TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{s.issue("system:node:" + node)}},
		Backend: func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", server.Listener.Addr().String())
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- client.Run(ctx) }()
	cut := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("tunnel client: %v", err)
		}
	})
	s.t.Cleanup(cut)
	select {
	case <-s.cluster.set:
	case <-time.After(soon):
		s.t.Fatalf("no tunnel of %s", node)
	}
	s.until("the tunnel of "+node+" to be used", func() bool {
		status, _ := s.get("/metrics", map[string]string{"X-Forwarded-Uri": "/api/v1/nodes/" + node + "/proxy/metrics"})
		return status == http.StatusOK
	})
	return cut
}

func (s *site) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(soon); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// get asks CloudStream; the header Host is the request's host.
func (s *site) get(path string, header map[string]string) (int, string) {
	s.t.Helper()
	resp := s.open(path, header)
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (s *site) open(path string, header map[string]string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "https://"+s.stream+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	if host := header["Host"]; host != "" {
		req.Host = host
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}

// kubelet is a node's server in plain HTTP, as EdgeCore has it.
func kubelet(name string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "# of "+name+"\nup 1") // no line's end, as if cut
	})
	return mux
}

func TestLogs(t *testing.T) {
	s := newSite(t)
	edge := kubelet("jetson")
	edge.HandleFunc("GET /containerLogs/default/hello/c", func(w http.ResponseWriter, r *http.Request) {
		if diff := cmp.Diff("tailLines=3", r.URL.RawQuery); diff != "" {
			t.Errorf("query (-want +got):\n%s", diff)
		}
		_, _ = io.WriteString(w, strings.Repeat("0123456789\n", 10_000))
	})
	edge.HandleFunc("GET /containerLogs/default/hello/nope", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `container "nope" does not exist`)
	})
	s.join("jetson", "192.168.100.1", edge)

	if port := s.cluster.ports["jetson"]; port != 10351 {
		t.Errorf("the Node's kubelet port is %d, want 10351", port)
	}
	code, body := s.get("/containerLogs/default/hello/c?tailLines=3", nil)
	if code != http.StatusOK || body != strings.Repeat("0123456789\n", 10_000) {
		t.Errorf("got %d and %d bytes, want 200 and the whole log", code, len(body))
	}
	code, body = s.get("/containerLogs/default/hello/nope", nil)
	if code != http.StatusOK || body != `container "nope" does not exist` {
		t.Errorf("an error's text: got %d %q, want 200 and the text", code, body)
	}
	// The pod is on a node without a tunnel; the pod does not exist.
	for _, path := range []string{"/containerLogs/default/other/c", "/containerLogs/default/none/c"} {
		if code, body := s.get(path, nil); code != http.StatusInternalServerError || body != "" {
			t.Errorf("%s: got %d %q, want 500 without a word", path, code, body)
		}
	}
}

func TestFollowAndReaderLeaves(t *testing.T) {
	s := newSite(t)
	edge := kubelet("jetson")
	more, gone := make(chan string, 1), make(chan struct{})
	edge.HandleFunc("GET /containerLogs/default/hello/c", func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		for {
			select {
			case line := <-more:
				_, _ = io.WriteString(w, line)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	s.join("jetson", "192.168.100.1", edge)
	more <- "line 0\n" // as from a real one, the answer's header comes with its first data
	resp := s.open("/containerLogs/default/hello/c?follow=true", nil)
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		want := fmt.Sprintf("line %d\n", i)
		if i > 0 {
			more <- want
		}
		if got, err := lines.ReadString('\n'); err != nil || got != want {
			t.Fatalf("got %q, %v; want %q at once", got, err, want)
		}
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
	case <-time.After(soon):
		t.Fatal("the kubelet still writes for a reader that left")
	}
	// The tunnel is none the worse for it.
	if _, body := s.get("/metrics", map[string]string{"Host": "192.168.100.1:10351"}); body != "# of jetson\nup 1\n" {
		t.Errorf("afterwards got %q", body)
	}
}

func TestTunnelDropEndsReaders(t *testing.T) {
	s := newSite(t)
	edge := kubelet("jetson")
	edge.HandleFunc("GET /containerLogs/default/hello/c", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	cut := s.join("jetson", "192.168.100.1", edge)
	resp := s.open("/containerLogs/default/hello/c?follow=true", nil)
	body := bufio.NewReader(resp.Body)
	if _, err := body.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, body)
		ended <- err
	}()
	cut()
	select {
	case err := <-ended:
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			t.Errorf("got %v, want the plain end that a real CloudCore gives", err)
		}
	case <-time.After(soon):
		t.Fatal("the reader still waits")
	}
	s.until("the tunnel to be known as gone", func() bool {
		code, body := s.get("/containerLogs/default/hello/c", nil)
		return code == http.StatusOK && body == ""
	})
}

func TestTwoNodesWithOneIP(t *testing.T) {
	s := newSite(t)
	s.join("jetson", "192.168.100.1", kubelet("jetson"))
	s.join("raspberry", "192.168.100.1", kubelet("raspberry"))
	for header, want := range map[[2]string]string{
		{"X-Forwarded-Uri", "/api/v1/nodes/jetson/proxy/metrics"}:    "# of jetson\nup 1\n",
		{"X-Forwarded-Uri", "/api/v1/nodes/raspberry/proxy/metrics"}: "# of raspberry\nup 1\n",
		// A direct scrape cannot tell them apart: the last to connect answers.
		{"Host", "192.168.100.1:10250"}: "# of raspberry\nup 1\n",
	} {
		if code, body := s.get("/metrics", map[string]string{header[0]: header[1]}); code != http.StatusOK || body != want {
			t.Errorf("%s: got %d %q, want %q", header, code, body, want)
		}
	}
	if code, _ := s.get("/metrics", map[string]string{"Host": "192.168.100.9:10250"}); code != http.StatusInternalServerError {
		t.Errorf("unknown node: got %d, want 500", code)
	}
}

func TestExecPassesBytesBothWays(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		t.Run(method, func(t *testing.T) {
			s := newSite(t)
			edge := kubelet("jetson")
			left := make(chan struct{})
			edge.HandleFunc(method+" /exec/default/hello/c", func(w http.ResponseWriter, r *http.Request) {
				defer close(left)
				if r.Header.Get("Upgrade") != "SPDY/3.1" || r.URL.Query().Get("command") != "sh" {
					t.Errorf("got %v %v", r.Header, r.URL)
				}
				conn, buf, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
				_, _ = io.Copy(conn, buf) // echo until the client leaves
				_ = conn.Close()
			})
			s.join("jetson", "192.168.100.1", edge)
			client := s.dial(method, "/exec/default/hello/c?command=sh")
			answer, err := http.ReadResponse(client.in, nil)
			if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("got %v, %v; want 101", answer, err)
			}
			want := string([]byte{0, 0xff, 0x80, '\r', '\n'}) + strings.Repeat("x", 100_000)
			go func() { _, _ = io.WriteString(client.conn, want) }()
			got := make([]byte, len(want))
			if _, err := io.ReadFull(client.in, got); err != nil || string(got) != want {
				t.Fatalf("%d bytes came back, %v", len(got), err)
			}
			if err := client.conn.Close(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-left:
			case <-time.After(soon):
				t.Error("the shell still runs for a client that left")
			}
		})
	}
}

func TestExecWithoutUpgrade(t *testing.T) {
	s := newSite(t)
	s.join("jetson", "192.168.100.1", kubelet("jetson"))
	if code, _ := s.get("/exec/default/hello/c", nil); code != http.StatusInternalServerError {
		t.Errorf("got %d, want 500", code)
	}
}

func TestExecRefusedByKubelet(t *testing.T) {
	s := newSite(t)
	s.join("jetson", "192.168.100.1", kubelet("jetson"))
	client := s.dial(http.MethodPost, "/attach/default/hello/uid/c")
	answer, err := http.ReadResponse(client.in, nil)
	if err != nil || answer.StatusCode != http.StatusNotFound {
		t.Fatalf("got %v, %v; want the kubelet's 404", answer, err)
	}
}

type rawClient struct {
	conn net.Conn
	in   *bufio.Reader
}

// dial sends a request to upgrade and leaves the rest to the test.
func (s *site) dial(method, path string) rawClient {
	s.t.Helper()
	pool, err := s.ca.Pool()
	if err != nil {
		s.t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", s.stream, &tls.Config{RootCAs: pool})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n", method, path)
	if err != nil {
		s.t.Fatal(err)
	}
	return rawClient{conn: conn, in: bufio.NewReader(conn)}
}
