package prom

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var now = time.Date(2026, 1, 2, 12, 0, 7, 0, time.UTC)

// prometheus answers every query with one value at the start of the range and one at
// its end, and remembers what it was asked.
type prometheus struct {
	mu      sync.Mutex
	queries []string
}

func (p *prometheus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.FormValue("query")
	p.mu.Lock()
	p.queries = append(p.queries, query)
	p.mu.Unlock()
	start, _ := strconv.ParseFloat(r.FormValue("start"), 64)
	end, _ := strconv.ParseFloat(r.FormValue("end"), 64)
	var result []any
	stream := func(container string) {
		metric := map[string]string{}
		if container != "" {
			metric["container"] = container
		}
		result = append(result, map[string]any{"metric": metric, "values": []any{[]any{start, "1"}, []any{end, "3"}}})
	}
	if strings.Contains(query, "by (container)") {
		stream("app")
		stream("side")
	} else {
		stream("")
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
}

func start(t *testing.T) (*prometheus, *Source) {
	t.Helper()
	p := &prometheus{}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	s, err := New(srv.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

func TestHistoryOfAPod(t *testing.T) {
	_, s := start(t)
	pod, containers, err := s.Pod(t.Context(), "shop", "web-1", 6*time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(containers) != 2 {
		t.Fatalf("containers %v", containers)
	}
	n := len(pod.TimesMs)
	if n < 200 || n > 300 || pod.TimesMs[n-1] > now.UnixMilli() {
		t.Errorf("%d times up to %d", n, pod.TimesMs[n-1])
	}
	for name, want := range map[string]float64{"memoryWorkingSetBytes": 2, "networkTxBytesPerSecond": 1} { // two containers, one network
		values := pod.Series[name]
		if len(values) != n || values[0] == nil || *values[0] != want || *values[n-1] != 3*want {
			t.Errorf("%s: %d values", name, len(values))
		}
		if values[1] != nil {
			t.Errorf("%s: a gap became %v", name, *values[1])
		}
	}
	if app := containers["app"].Series["memoryWorkingSetBytes"]; *app[0] != 1 {
		t.Errorf("adding up changed a container's own: %v", *app[0])
	}
}

// Only names that Kubernetes accepts get into a question.
func TestNamesAreChecked(t *testing.T) {
	p, s := start(t)
	for _, bad := range []string{`x"} or up{a="`, "a b", "", "UPPER", "a\nb"} {
		if _, err := s.Node(t.Context(), bad, time.Hour, now); err == nil {
			t.Errorf("node %q was accepted", bad)
		}
		if _, _, err := s.Pod(t.Context(), bad, "web-1", time.Hour, now); err == nil {
			t.Errorf("namespace %q was accepted", bad)
		}
		if _, _, err := s.Pod(t.Context(), "shop", bad, time.Hour, now); err == nil {
			t.Errorf("pod %q was accepted", bad)
		}
	}
	if len(p.queries) != 0 {
		t.Errorf("Prometheus was asked %q", p.queries)
	}
	if _, err := s.Node(t.Context(), "edge-1.example", time.Hour, now); err != nil {
		t.Error(err)
	}
	for _, q := range p.queries {
		if !strings.Contains(q, `id="/",node="edge-1.example"`) || strings.Contains(q, "%") {
			t.Errorf("question %q", q)
		}
	}
}

func TestURLs(t *testing.T) {
	for _, bad := range []string{"", "prometheus:9090", "ftp://x", "http://"} {
		if _, err := New(bad, ""); err == nil {
			t.Errorf("URL %q was accepted", bad)
		}
	}
}
