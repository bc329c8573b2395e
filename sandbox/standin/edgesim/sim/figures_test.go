package sim

import (
	"strings"
	"testing"
	"time"
)

// What /stats/summary and /metrics/resource say at one moment is the same.
func TestFiguresAgree(t *testing.T) {
	f := newFigures(3)
	now := f.start.Add(100 * time.Second)
	if got, want := f.cpuNanoseconds(now), 100*f.nanoCPUs; got != want {
		t.Errorf("after 100 s: %d CPU nanoseconds, want %d", got, want)
	}
	cpu := f.summary("n", now)["node"].(map[string]any)["cpu"].(map[string]any)
	if cpu["usageCoreNanoSeconds"] != f.cpuNanoseconds(now) {
		t.Errorf("summary says %v", cpu)
	}
	if text := f.resource(now); !strings.Contains(text, "node_cpu_usage_seconds_total 25.000000 ") {
		t.Errorf("node 3 uses 250 millicores, so 25 s in 100 s; got\n%s", text)
	}
	if newFigures(4).nanoCPUs == f.nanoCPUs {
		t.Error("neighbors are alike")
	}
}
