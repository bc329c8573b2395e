package gate

import (
	"net/http"
	"testing"
	"time"
)

// TestZRestart: a gate that was killed leaves nothing behind that its successor would
// need. It comes last, since the tunnels of all tests end.
func TestZRestart(t *testing.T) {
	node(t, "edge-restart")
	pod(t, "hello-restart", "edge-restart")
	before := connect(t, "edge-restart", kubelet())
	if err := w.gate.Kill(); err != nil {
		t.Fatal(err)
	}
	<-before.done
	start := time.Now()
	if err := w.startGate(t.Context()); err != nil {
		t.Fatal(err)
	}
	connect(t, "edge-restart", kubelet())
	got := ask(t, caller{cert: kubeletClient(t)}, http.MethodGet, "/containerLogs/default/hello-restart/c", nil)
	if got.status != http.StatusOK {
		t.Errorf("logs after the restart: %+v", got)
	}
	t.Logf("tunnel and logs are back %v after the start", time.Since(start))
}
