package gate

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kubelet answers every path with what it was asked.
func kubelet() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = fmt.Fprintf(w, "%s\n", r.URL.Path)
			return
		}
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+r.Header.Get("Upgrade")+"\r\n\r\n")
		_, _ = io.Copy(conn, buf) // echo until the client leaves
		_ = conn.Close()
	})
	return mux
}

// upgrade are the headers of kubectl's SPDY.
var upgrade = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"SPDY/3.1"}}

// TestCredentials is the table of who gets what. Every credential is tried on every
// kind of request; only the rights that a kubelet asks for let a request through.
func TestCredentials(t *testing.T) {
	node(t, "edge-matrix")
	pod(t, "hello-matrix", "edge-matrix")
	device := connect(t, "edge-matrix", kubelet())
	before := device.wire()

	requests := []struct {
		name, method, path string
		header             http.Header
	}{
		{"logs", http.MethodGet, "/containerLogs/default/hello-matrix/c", nil},
		{"exec", http.MethodPost, "/exec/default/hello-matrix/c?command=id", upgrade},
		{"attach", http.MethodPost, "/attach/default/hello-matrix/c", upgrade},
		{"exec by GET", http.MethodGet, "/exec/default/hello-matrix/c?command=id", upgrade},
		{"stats", http.MethodGet, "/stats/summary", proxiedBy("edge-matrix")},
		{"metrics", http.MethodGet, "/metrics", proxiedBy("edge-matrix")},
		{"resource", http.MethodGet, "/metrics/resource", proxiedBy("edge-matrix")},
		{"unknown path", http.MethodGet, "/pods", proxiedBy("edge-matrix")},
		{"unknown node", http.MethodGet, "/metrics", proxiedBy("no-such-node")},
	}
	const all401 = "401 401 401 401 401 401 401 401 401"
	const all403 = "403 403 403 403 403 403 403 403 403"
	stranger := certOf(t, w.others, "kube-apiserver-kubelet-client")
	for _, tc := range []struct {
		name string
		who  caller
		want string // the status of each request
	}{
		{"nobody", caller{}, all401},
		{"junk token", caller{token: "junk"}, all401},
		{"certificate of another CA of the same name", caller{cert: stranger}, all401},
		{"device's certificate", caller{cert: ptr(deviceCert(t, "edge-matrix"))}, all401},
		{"account without rights", caller{token: account(t, "no-rights")}, all403},
		{"certificate without rights", caller{cert: certOf(t, w.clients, "somebody")}, all403},
		{"stats and metrics only", caller{token: account(t, "figures", nodeRule("get", "stats", "metrics"))}, "403 403 403 403 200 200 200 403 200"},
		{"metrics-server's rights", caller{token: account(t, "metrics-server", nodeRule("get", "metrics"))}, "403 403 403 403 403 200 200 403 200"},
		{"get of the proxy", caller{token: account(t, "proxy", nodeRule("get", "proxy"))}, "200 403 403 101 403 403 403 404 403"},
		{"list of nodes", caller{token: account(t, "lister", nodeRule("list", "proxy", "stats", "metrics"))}, all403},
		{"kube-apiserver", caller{cert: kubeletClient(t)}, "200 101 101 101 200 200 200 404 200"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, r := range requests {
				response := open(t, tc.who, w.stream(), r.method, r.path, r.header)
				got = append(got, strconv.Itoa(response.StatusCode))
				if err := response.Body.Close(); err != nil {
					t.Error(err)
				}
			}
			// Of a node without a tunnel CloudStream says 500; who may ask gets as far.
			want := strings.Fields(tc.want)
			if want[8] == "200" {
				want[8] = "500"
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if bytes.Equal(before, device.wire()) {
		t.Error("the device heard of no request: the table proves nothing")
	}
}

func ptr[T any](v T) *T { return &v }

// TestAnswersOfAKubelet: what a refused caller reads.
func TestAnswersOfAKubelet(t *testing.T) {
	token := account(t, "reader")
	got := ask(t, caller{}, http.MethodGet, "/metrics", nil)
	if want := (answer{http.StatusUnauthorized, "Unauthorized\n"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got = ask(t, caller{token: token}, http.MethodGet, "/metrics", proxiedBy("edge-x"))
	want := answer{http.StatusForbidden, "Forbidden (user=system:serviceaccount:kubeedge:reader, verb=get, resource=nodes, subresource(s)=[metrics])\n"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// Who may not ask does not learn whether a pod exists.
	got = ask(t, caller{token: token}, http.MethodGet, "/containerLogs/default/none/c", nil)
	if got.status != http.StatusForbidden {
		t.Errorf("got %+v, want 403", got)
	}
	got = ask(t, caller{cert: kubeletClient(t)}, http.MethodGet, "/containerLogs/default/none/c", nil)
	if got.status != http.StatusNotFound || !strings.Contains(got.body, "default/none") {
		t.Errorf("got %+v, want 404 with the pod's name", got)
	}
	got = ask(t, caller{cert: kubeletClient(t)}, http.MethodGet, "/containerLogs/default/a%2Fb/c", nil)
	if got.status != http.StatusBadRequest {
		t.Errorf("an encoded slash: got %+v, want 400", got)
	}
}

// TestPastTheGate: a request that reaches CloudStream itself gets no further than
// that, whatever credentials it has; the gate's ticket is no use twice.
func TestPastTheGate(t *testing.T) {
	node(t, "edge-past")
	pod(t, "hello-past", "edge-past")
	device := connect(t, "edge-past", kubelet())
	before := len(device.wire())
	core := net.JoinHostPort("127.0.0.1", strconv.Itoa(w.core.stream))
	for _, header := range []http.Header{nil, {"Edgeway-Ticket": {"made up"}}} {
		for _, path := range []string{"/containerLogs/default/hello-past/c", "/metrics"} {
			header := header.Clone()
			if path == "/metrics" {
				header = proxiedBy("edge-past")
			}
			response := open(t, caller{cert: kubeletClient(t)}, core, http.MethodGet, path, header)
			body, err := io.ReadAll(response.Body)
			if err != nil || len(body) > 0 {
				t.Errorf("%s past the gate: %q, %v; want nothing", path, body, err)
			}
			if err := response.Body.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if arrived := device.wire()[before:]; len(arrived) > 0 {
		t.Errorf("the device heard of it: %q", arrived)
	}
	// Through the gate the same works, so it was the gate that refused.
	if got := ask(t, caller{cert: kubeletClient(t)}, http.MethodGet, "/containerLogs/default/hello-past/c", nil); got.status != http.StatusOK {
		t.Errorf("through the gate: %+v", got)
	}
}
