package gate

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// TestMemoryOfIdleConnections opens a thousand of each kind and looks at what the gate
// grew by.
func TestMemoryOfIdleConnections(t *testing.T) {
	for kind, dial := range map[string]func(cert tls.Certificate, name string) error{
		"tunnel": func(cert tls.Certificate, name string) error {
			conn, response, err := dialTunnel(t, w.tunnel, cert, name, "")
			if err != nil {
				return fmt.Errorf("%w: %s", err, bodyOf(response))
			}
			t.Cleanup(func() { _ = conn.Close() })
			return nil
		},
		"hub": func(cert tls.Certificate, name string) error {
			conn, response, err := dialHubRaw(t, cert, name)
			if err != nil {
				return fmt.Errorf("%w: %s", err, bodyOf(response))
			}
			t.Cleanup(func() { _ = conn.Close() })
			return nil
		},
	} {
		t.Run(kind, func(t *testing.T) { idle(t, kind, dial) })
	}
}

func idle(t *testing.T, kind string, dial func(cert tls.Certificate, name string) error) {
	const connections, most = 1000, 40 << 10
	cert := make([]tls.Certificate, connections)
	for i := range connections {
		name := fmt.Sprintf("idle-%s-%d", kind, i)
		if err := w.admin.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelEdge: ""}}}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = w.kube.CoreV1().Nodes().Delete(context.Background(), name, metav1.DeleteOptions{}) // the server ends with the tests
		})
		cert[i] = deviceCert(t, name)
	}
	before := resident(t)
	for i := range connections {
		name := fmt.Sprintf("idle-%s-%d", kind, i)
		eventually(t, "a connection of "+name, func() error { return dial(cert[i], name) })
	}
	each := (resident(t) - before) / connections
	t.Logf("%d KiB for each of %d idle connections of kind %s, %d MiB before", each>>10, connections, kind, before>>20)
	if each > most {
		t.Errorf("an idle connection takes %d bytes, want at most %d", each, most)
	}
}

// resident is the gate's own memory in bytes, without the program's text.
func resident(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.gate.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "RssAnon:"); found {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no RssAnon")
	return 0
}

// ways are how a request and a tunnel reach CloudCore: through the gate, or past it
// with the gate's own certificate.
func ways(b *testing.B) map[string]struct {
	stream, tunnel string
	cert           tls.Certificate
} {
	b.Helper()
	own, err := tls.LoadX509KeyPair(w.file("gate.crt"), w.file("gate.key"))
	if err != nil {
		b.Fatal(err)
	}
	local := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	return map[string]struct {
		stream, tunnel string
		cert           tls.Certificate
	}{
		"gate":   {w.stream(), w.tunnel, deviceCert(b, "edge-bench")},
		"direct": {local(w.core.stream), local(w.core.tunnel), own},
	}
}

// BenchmarkLogs reads a log of 4 MiB.
func BenchmarkLogs(b *testing.B) {
	const size = 4 << 20
	line := []byte(strings.Repeat("x", 199) + "\n")
	benchmark(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for sent := 0; sent < size; sent += len(line) {
			_, _ = w.Write(line)
		}
	}), func(b *testing.B, stream string) {
		b.SetBytes(size)
		for b.Loop() {
			response := open(b, caller{cert: kubeletClient(b)}, stream, http.MethodGet, "/containerLogs/default/hello-bench/c", nil)
			if n, err := io.Copy(io.Discard, response.Body); err != nil || n < size {
				b.Fatalf("%d bytes, %v", n, err)
			}
			_ = response.Body.Close()
		}
	})
}

// BenchmarkExecRoundTrip sends one byte and waits for its echo.
func BenchmarkExecRoundTrip(b *testing.B) {
	benchmark(b, kubelet(), func(b *testing.B, stream string) {
		response := open(b, caller{cert: kubeletClient(b)}, stream, http.MethodPost, "/exec/default/hello-bench/c", upgrade)
		shell, ok := response.Body.(io.ReadWriteCloser)
		if !ok {
			b.Fatalf("no upgrade: %s", response.Status)
		}
		defer func() { _ = shell.Close() }()
		key := []byte("k")
		for b.Loop() {
			if _, err := shell.Write(key); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(shell, key); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchmark(b *testing.B, kubelet http.Handler, run func(b *testing.B, stream string)) {
	node(b, "edge-bench")
	pod(b, "hello-bench", "edge-bench")
	for name, way := range ways(b) {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewServer(kubelet)
			defer server.Close()
			d := &device{t: b, kubelet: server.Listener.Addr().String(), streams: map[uint64]io.WriteCloser{}, done: make(chan struct{})}
			eventually(b, "a tunnel", func() error {
				conn, response, err := dialTunnel(b, way.tunnel, way.cert, "edge-bench", "198.51.100.9")
				if err != nil {
					return fmt.Errorf("%w: %s", err, bodyOf(response))
				}
				d.conn = conn
				return nil
			})
			go d.serve()
			defer func() {
				_ = d.conn.Close()
				<-d.done
			}()
			eventually(b, "CloudCore uses the tunnel", func() error {
				response := open(b, caller{cert: kubeletClient(b)}, way.stream, http.MethodGet, "/containerLogs/default/hello-bench/c", nil)
				defer func() { _ = response.Body.Close() }()
				if response.StatusCode != http.StatusOK {
					return fmt.Errorf("%s", response.Status)
				}
				_, err := io.Copy(io.Discard, response.Body)
				return err
			})
			run(b, way.stream)
		})
	}
}
