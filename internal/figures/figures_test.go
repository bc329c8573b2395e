package figures

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/streamcert"
)

// peer is a gate or a kubelet with a certificate of its own.
type peer struct {
	server *httptest.Server
	ca     []byte
	port   int32
	asked  atomic.Int32
	answer http.HandlerFunc
}

func newPeer(t *testing.T, names ...string) *peer {
	t.Helper()
	pair, err := streamcert.Generate("test CA", "test", names, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{ca: pair.CA}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		if p.answer != nil {
			p.answer(w, r)
			return
		}
		fmt.Fprint(w, r.URL.Path, " ", r.Header.Get("X-Forwarded-Uri"), " ", r.Header.Get("Authorization"))
	}))
	p.server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	p.server.StartTLS()
	t.Cleanup(p.server.Close)
	_, port, err := net.SplitHostPort(p.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	p.port = int32(n)
	return p
}

func newGate(t *testing.T) *peer { return newPeer(t, streamcert.CoreName) }

func target(id int32, p *peer) v1alpha1.EdgeRouteTarget {
	return v1alpha1.EdgeRouteTarget{ID: routes.TargetID(id), TunnelPort: id, Endpoints: []v1alpha1.EdgeRouteEndpoint{{Address: "127.0.0.1", Port: p.port}}}
}

// site is what a Reader is told.
type site struct {
	nodes     map[string]*routes.Node
	targets   []v1alpha1.EdgeRouteTarget
	gateCA    []byte
	kubeletCA []byte
	refused   []string
}

func (s *site) reader(t *testing.T) *Reader {
	t.Helper()
	r, err := New(Config{
		Node:      func(name string) *routes.Node { return s.nodes[name] },
		Targets:   func(context.Context) ([]v1alpha1.EdgeRouteTarget, error) { return s.targets, nil },
		GateCA:    func(context.Context) ([]byte, error) { return s.gateCA, nil },
		KubeletCA: s.kubeletCA,
		Token: func(_ context.Context, refused string) (string, error) {
			s.refused = append(s.refused, refused)
			return "figures-" + strconv.Itoa(len(s.refused)), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func edge(name string, port int32) *routes.Node {
	return &routes.Node{Name: name, Edge: true, KubeletPort: port, Addresses: []string{"192.0.2.1"}}
}

// Of several CloudCores the one is asked that holds the node's tunnel, at its gate, by
// the node's name: two edge nodes may have one address.
func TestTheGateThatHoldsTheTunnelIsAsked(t *testing.T) {
	one, two := newGate(t), newGate(t)
	two.server.TLS.Certificates = one.server.TLS.Certificates
	s := &site{
		nodes:   map[string]*routes.Node{"edge-1": edge("edge-1", 10351), "edge-2": edge("edge-2", 10352), "edge-3": edge("edge-3", 10350)},
		targets: []v1alpha1.EdgeRouteTarget{target(10351, one), target(10352, two)}, gateCA: one.ca,
	}
	r := s.reader(t)
	got, err := r.Get(t.Context(), "edge-1", "stats/summary")
	if want := "/stats/summary /api/v1/nodes/edge-1/proxy/stats/summary Bearer figures-1"; err != nil || string(got) != want {
		t.Errorf("edge-1: %q, %v; want %q", got, err, want)
	}
	if _, err := r.Get(t.Context(), "edge-2", "metrics/cadvisor"); err != nil {
		t.Errorf("edge-2: %v", err)
	}
	if one.asked.Load() != 1 || two.asked.Load() != 1 {
		t.Errorf("the gates were asked %d and %d times, want once each", one.asked.Load(), two.asked.Load())
	}
	if _, err := r.Get(t.Context(), "edge-3", "stats/summary"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a node whose tunnel nobody holds: %v", err)
	}
	if _, err := r.Get(t.Context(), "edge-4", "stats/summary"); !apierrors.IsNotFound(err) {
		t.Errorf("a node that does not exist: %v", err)
	}
}

// Who listens at a gate's address and is not the gate sees no token.
func TestAStrangerGetsNoToken(t *testing.T) {
	gate, stranger, renamed := newGate(t), newGate(t), newPeer(t, "cloudcore.example")
	for what, p := range map[string]*peer{"another CA's certificate": stranger, "another name": renamed} {
		s := &site{nodes: map[string]*routes.Node{"edge-1": edge("edge-1", 10351)}, targets: []v1alpha1.EdgeRouteTarget{target(10351, p)}, gateCA: gate.ca}
		if p == renamed {
			s.gateCA = renamed.ca
		}
		if got, err := s.reader(t).Get(t.Context(), "edge-1", "stats/summary"); err == nil {
			t.Errorf("%s: answered %q", what, got)
		}
		if p.asked.Load() != 0 {
			t.Errorf("%s: a request with the token arrived", what)
		}
	}
}

func TestARenewedGateIsRecognized(t *testing.T) {
	before, after := newGate(t), newGate(t)
	s := &site{nodes: map[string]*routes.Node{"edge-1": edge("edge-1", 10351)}, targets: []v1alpha1.EdgeRouteTarget{target(10351, before)}, gateCA: before.ca}
	r := s.reader(t)
	if _, err := r.Get(t.Context(), "edge-1", "stats/summary"); err != nil {
		t.Fatal(err)
	}
	s.targets, s.gateCA = []v1alpha1.EdgeRouteTarget{target(10351, after)}, after.ca
	if _, err := r.Get(t.Context(), "edge-1", "stats/summary"); err != nil {
		t.Errorf("after the renewal: %v", err)
	}
}

// A cloud node's kubelet is asked at its own address. It is verified when the cluster
// says who signs kubelets' certificates.
func TestKubeletsOfCloudNodes(t *testing.T) {
	kubelet := newPeer(t)
	s := &site{nodes: map[string]*routes.Node{"cloud-1": {Name: "cloud-1", KubeletPort: kubelet.port, Addresses: []string{"127.0.0.1"}}, "new": {Name: "new"}}}
	got, err := s.reader(t).Get(t.Context(), "cloud-1", "stats/summary")
	if want := "/stats/summary  Bearer figures-1"; err != nil || string(got) != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if _, err := s.reader(t).Get(t.Context(), "new", "stats/summary"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a node without an address: %v", err)
	}
	s.kubeletCA = newPeer(t).ca
	if _, err := s.reader(t).Get(t.Context(), "cloud-1", "stats/summary"); err == nil || kubelet.asked.Load() != 1 {
		t.Errorf("a kubelet of another CA: %v, asked %d times", err, kubelet.asked.Load())
	}
	if _, err := New(Config{KubeletCA: []byte("no certificate")}); err == nil {
		t.Error("a CA without a certificate is taken")
	}
}

func TestAnswers(t *testing.T) {
	gate := newGate(t)
	s := &site{nodes: map[string]*routes.Node{"edge-1": edge("edge-1", 10351)}, targets: []v1alpha1.EdgeRouteTarget{target(10351, gate)}, gateCA: gate.ca}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "a gate's words", code) }
	}
	for code, is := range map[int]func(error) bool{
		http.StatusForbidden: apierrors.IsForbidden, http.StatusNotFound: apierrors.IsNotFound,
		http.StatusBadGateway: apierrors.IsInternalError, http.StatusServiceUnavailable: apierrors.IsServiceUnavailable,
		http.StatusUnauthorized: apierrors.IsUnauthorized,
	} {
		gate.answer = status(code)
		if _, err := s.reader(t).Get(t.Context(), "edge-1", "stats/summary"); !is(err) {
			t.Errorf("%d: %v", code, err)
		}
	}
	elsewhere := newPeer(t)
	gate.answer = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.server.URL, http.StatusFound)
	}
	if _, err := s.reader(t).Get(t.Context(), "edge-1", "stats/summary"); err == nil || elsewhere.asked.Load() != 0 {
		t.Errorf("a redirect: %v, followed %d times", err, elsewhere.asked.Load())
	}
}

// A token that is refused is asked for anew, once.
func TestARefusedTokenIsRenewed(t *testing.T) {
	gate := newGate(t)
	gate.answer = func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.Header.Get("Authorization"), "figures-2") {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
		}
	}
	s := &site{nodes: map[string]*routes.Node{"edge-1": edge("edge-1", 10351)}, targets: []v1alpha1.EdgeRouteTarget{target(10351, gate)}, gateCA: gate.ca}
	if _, err := s.reader(t).Get(t.Context(), "edge-1", "stats/summary"); err != nil {
		t.Error(err)
	}
	if len(s.refused) != 2 || s.refused[1] != "figures-1" {
		t.Errorf("the token was asked for after %q", s.refused)
	}
}

func TestTokens(t *testing.T) {
	now := time.Unix(1_767_323_045, 0)
	issued := 0
	source := &tokens{now: func() time.Time { return now }, issue: func(context.Context) (string, time.Time, error) {
		issued++
		return strconv.Itoa(issued), now.Add(10 * time.Minute), nil
	}}
	want := func(refused, token string) {
		t.Helper()
		if got, err := source.get(t.Context(), refused); err != nil || got != token {
			t.Errorf("token %q, %v; want %q", got, err, token)
		}
	}
	want("", "1")
	now = now.Add(4 * time.Minute)
	want("", "1")
	now = now.Add(2 * time.Minute)
	want("", "2") // before the old one ends
	want("1", "2")
	want("2", "3")
}
