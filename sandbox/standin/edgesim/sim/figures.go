package sim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// What every hollow node pretends to have.
const (
	cores       = 4
	memoryBytes = 4 << 30
)

// figures are a node's made-up measurements. They agree with each other: the CPU
// seconds of /stats/summary and of /metrics/resource are one and the same function
// of time.
type figures struct {
	start    time.Time
	nanoCPUs uint64 // nanocores in use, all the time
	memory   uint64 // bytes in use
}

// newFigures makes node i differ from its neighbors.
func newFigures(i int) figures {
	return figures{
		start:    time.Now().Truncate(time.Second),
		nanoCPUs: 100_000_000 + uint64(i%17)*50_000_000,
		memory:   256<<20 + uint64(i%13)*64<<20,
	}
}

// cpuNanoseconds is the CPU time used since the start.
func (f figures) cpuNanoseconds(now time.Time) uint64 {
	return uint64(float64(f.nanoCPUs) * now.Sub(f.start).Seconds())
}

// handler answers like a kubelet.
func (f figures) handler(node string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats/summary", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(f.summary(node, time.Now())) // a reader that left needs no answer
	})
	mux.HandleFunc("GET /metrics/resource", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, f.resource(time.Now()))
	})
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		f.logs(w, r, node)
	})
	return mux
}

func (f figures) summary(node string, now time.Time) map[string]any {
	at := now.UTC().Format(time.RFC3339)
	return map[string]any{"pods": []any{}, "node": map[string]any{
		"nodeName": node, "startTime": f.start.UTC().Format(time.RFC3339),
		"cpu": map[string]any{"time": at, "usageNanoCores": f.nanoCPUs, "usageCoreNanoSeconds": f.cpuNanoseconds(now)},
		"memory": map[string]any{"time": at, "usageBytes": f.memory, "workingSetBytes": f.memory,
			"availableBytes": memoryBytes - f.memory},
	}}
}

// resource has no comments: they are most of a kubelet's lines when it has no pods, each
// goes through the tunnel on its own, and no scraper of ours reads them.
func (f figures) resource(now time.Time) string {
	return fmt.Sprintf(`node_cpu_usage_seconds_total %[1]f %[3]d
node_memory_working_set_bytes %[2]d %[3]d
resource_scrape_error 0
`, float64(f.cpuNanoseconds(now))/1e9, f.memory, now.UnixMilli())
}

// logs writes one line for each second of the node's life: the last tailLines of
// them (10 when not said), then with follow each new one.
func (f figures) logs(w http.ResponseWriter, r *http.Request, node string) {
	tail := 10
	if n, err := strconv.Atoi(r.URL.Query().Get("tailLines")); err == nil {
		tail = n
	}
	line := func(i int) {
		_, _ = fmt.Fprintf(w, "%s %s/%s line %d\n", node, r.PathValue("namespace"), r.PathValue("pod"), i)
	}
	last := int(time.Since(f.start).Seconds())
	for i := max(0, last-tail+1); i <= last; i++ {
		line(i)
	}
	if r.URL.Query().Get("follow") != "true" {
		return
	}
	out := http.NewResponseController(w)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for out.Flush() == nil {
		select {
		case <-r.Context().Done():
			return
		case <-ticker.C:
			last++
			line(last)
		}
	}
}
