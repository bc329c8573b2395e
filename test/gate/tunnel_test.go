package gate

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// TestWhoGetsATunnel: a device is the node that its certificate names, if there is
// such an edge node, and no other.
func TestWhoGetsATunnel(t *testing.T) {
	node(t, "edge-a")
	node(t, "edge-b")
	create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "cloud-1"}})
	enrollment(t, "on-its-way", "edge-new", v1alpha1.PhaseCertificateIssued)
	enrollment(t, "with-a-code", "edge-code", v1alpha1.PhasePending)
	connect(t, "edge-a", kubelet()) // the facts are known by now
	stranger := certOf(t, w.others, "system:node:edge-a", "system:nodes")
	for _, tc := range []struct {
		name, as string
		cert     tls.Certificate
		want     string
	}{
		{"its own certificate", "edge-a", deviceCert(t, "edge-a"), "101"},
		{"on its way", "edge-new", deviceCert(t, "edge-new"), "101"},
		{"another node's name", "edge-b", deviceCert(t, "edge-a"), "403 the certificate is of another name"},
		{"no name", "", deviceCert(t, "edge-a"), "403 the certificate is of another name"},
		{"a cloud node's name", "cloud-1", deviceCert(t, "cloud-1"), "403 no edge node of this name"},
		{"a name that never was", "edge-none", deviceCert(t, "edge-none"), "403 no edge node of this name"},
		{"a code that nobody used", "edge-code", deviceCert(t, "edge-code"), "403 no edge node of this name"},
		{"another CA's certificate", "edge-a", *stranger, "tls"},
		{"the cluster's CA's certificate", "edge-a", *certOf(t, w.clients, "system:node:edge-a", "system:nodes"), "tls"},
		{"no certificate", "edge-a", tls.Certificate{}, "tls"},
	} {
		conn, response, err := dialTunnel(t, w.tunnel, tc.cert, tc.as, "")
		got := "101"
		switch {
		case response == nil:
			got = "tls"
		case err != nil:
			text, _, _ := strings.Cut(bodyOf(response), ":")
			got = fmt.Sprintf("%d %s", response.StatusCode, text)
		default:
			_ = conn.Close()
		}
		if got != tc.want {
			t.Errorf("%s: got %q (%v), want %q", tc.name, got, err, tc.want)
		}
	}
}

// TestCoreKnowsOnlyTheGate: a device that reaches CloudCore's own tunnel server gets
// no tunnel there, under no name.
func TestCoreKnowsOnlyTheGate(t *testing.T) {
	core := net.JoinHostPort("127.0.0.1", strconv.Itoa(w.core.tunnel))
	if conn, response, err := dialTunnel(t, core, deviceCert(t, "edge-a"), "edge-a", ""); err == nil {
		_ = conn.Close()
		t.Error("CloudCore takes a device's certificate")
	} else if response != nil {
		t.Errorf("got %s, want no handshake", response.Status)
	}
}

// TestCutWithinSeconds: a name that is revoked or retired, or whose Node is deleted,
// loses its tunnel and its connection to CloudHub, and gets no new ones.
func TestCutWithinSeconds(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, e *v1alpha1.EdgeEnrollment, n *corev1.Node) error{
		"revoked": func(t *testing.T, e *v1alpha1.EdgeEnrollment, _ *corev1.Node) error {
			e.Spec.State = v1alpha1.StateRevoked
			return w.admin.Update(t.Context(), e)
		},
		"retired": func(t *testing.T, e *v1alpha1.EdgeEnrollment, _ *corev1.Node) error {
			e.Status.Phase = v1alpha1.PhaseRetired
			return w.admin.Status().Update(t.Context(), e)
		},
		"deleted": func(t *testing.T, e *v1alpha1.EdgeEnrollment, n *corev1.Node) error {
			return errors.Join(w.admin.Delete(t.Context(), e), w.admin.Delete(t.Context(), n, client.GracePeriodSeconds(0)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := node(t, "edge-"+name)
			e := enrollment(t, name, "edge-"+name, v1alpha1.PhaseVerified)
			device := connect(t, "edge-"+name, kubelet())
			cert := deviceCert(t, "edge-"+name)
			hub := connectHub(t, "edge-"+name)
			if err := w.admin.Get(t.Context(), client.ObjectKeyFromObject(n), n); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if err := end(t, e, n); err != nil {
				t.Fatal(err)
			}
			select {
			case <-device.done:
				t.Logf("cut after %v", time.Since(start))
			case <-time.After(5 * time.Second):
				t.Fatal("the tunnel is open 5 s later")
			}
			select {
			case <-hub.Closed():
			case <-time.After(5 * time.Second):
				t.Fatal("the connection to CloudHub is open 5 s later")
			}
			if got := dialHub(t, cert, "edge-"+name); !strings.HasPrefix(got, "403 ") {
				t.Errorf("a new connection to CloudHub: got %q, want 403", got)
			}
			if got, _ := sign(t, signing{node: "edge-" + name, cert: &cert}); got != http.StatusForbidden {
				t.Errorf("renewal: got %d, want 403", got)
			}
			conn, response, err := dialTunnel(t, w.tunnel, cert, "edge-"+name, "")
			if err == nil {
				_ = conn.Close()
				t.Fatal("a new tunnel is let in")
			}
			if response == nil || response.StatusCode != http.StatusForbidden {
				t.Errorf("got %v, %v; want 403", response, err)
			}
		})
	}
}

// TestNewestTunnelsCount: a device that dials again and again holds no more than two.
func TestNewestTunnelsCount(t *testing.T) {
	node(t, "edge-again")
	oldest := connect(t, "edge-again", kubelet())
	cert := deviceCert(t, "edge-again")
	for range 2 {
		conn, _, err := dialTunnel(t, w.tunnel, cert, "edge-again", "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
	}
	select {
	case <-oldest.done:
	case <-time.After(patience / 3): // the gate cuts a silent tunnel after a minute anyway
		t.Error("three tunnels of one node are open")
	}
}

// TestFrameLimit: a frame that is too large ends the tunnel with the reason.
func TestFrameLimit(t *testing.T) {
	node(t, "edge-large")
	device := connect(t, "edge-large", kubelet())
	if err := device.frame(1, frameData, bytes.Repeat([]byte("x"), 2<<20)); err != nil {
		t.Logf("write: %v", err) // the gate may close while it is written
	}
	select {
	case <-device.done:
	case <-time.After(patience):
		t.Fatal("the tunnel is open after a frame of 2 MiB")
	}
	if !websocket.IsCloseError(device.err, websocket.CloseMessageTooBig) {
		t.Errorf("closed with %v, want code %d", device.err, websocket.CloseMessageTooBig)
	}
}

// TestAddressIsTheRoutedOne: a scraper that dials an address gets the node for which
// the address is routed, whatever a device says of its own.
func TestAddressIsTheRoutedOne(t *testing.T) {
	answers := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, "# of %s\n", name) })
	}
	route := func(node, address string) v1alpha1.EdgeRoute {
		return v1alpha1.EdgeRoute{Node: node, Address: address, Ports: []int32{10250}}
	}
	create(t, &v1alpha1.EdgeRouteSlice{ObjectMeta: metav1.ObjectMeta{Name: "routes"}, Routes: []v1alpha1.EdgeRoute{
		route("edge-r1", "192.168.100.1"), route("edge-r1", "fd00:5::1"), route("edge-r2", "192.168.100.2"),
	}})
	node(t, "edge-r1")
	node(t, "edge-r2")
	connect(t, "edge-r1", answers("edge-r1"))
	connect(t, "edge-r2", answers("edge-r2")) // both say 198.51.100.99
	got := map[string]string{}
	want := map[string]string{
		"192.168.100.1:10250": "200 # of edge-r1", "[fd00:5::1]:10250": "200 # of edge-r1", "192.168.100.2:10250": "200 # of edge-r2",
		"198.51.100.99:10250": "404 no such edge node", "edge-r1": "404 no such edge node",
	}
	for host := range want {
		a := ask(t, caller{cert: kubeletClient(t)}, http.MethodGet, "/metrics", http.Header{"Host": {host}})
		text, _, _ := strings.Cut(strings.TrimSpace(a.body), ":")
		got[host] = fmt.Sprintf("%d %s", a.status, text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// enrollment of a node, in a phase.
func enrollment(t testing.TB, name, node string, phase v1alpha1.EnrollmentPhase) *v1alpha1.EdgeEnrollment {
	t.Helper()
	e := &v1alpha1.EdgeEnrollment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.JoinNamespace},
		Spec: v1alpha1.EdgeEnrollmentSpec{NodeName: node, NodeIP: "192.168.100.77", State: v1alpha1.StateActive, CodeHash: strings.Repeat("a", 64), Arch: "arm64",
			CloudCore: v1alpha1.CloudCoreAddress{Host: "203.0.113.7", WebSocketPort: 10000, CertPort: 10002, TunnelPort: 10004}},
	}
	create(t, e)
	e.Status.Phase = phase
	if err := w.admin.Status().Update(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e
}
