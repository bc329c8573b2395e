//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/internal/samples"
	"github.com/edgeway-io/edgeway/internal/samples/prom"
)

// figuresInPrometheus runs a real Prometheus with the documented configuration on a cloud
// node. Every target must answer, every expression of the dashboard must have a
// result, and the histories that edge-watcher reads from it must have values.
func figuresInPrometheus(t *testing.T) {
	t.Parallel()
	address, targets := startPrometheus(t, "worker")
	eventually(t, 90*time.Second, func() error {
		writeTargets(t, targets)
		return targetsUp(address)
	})
	var dashboard struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	readJSON(t, "edge-nodes.json", &dashboard)
	if len(dashboard.Panels) == 0 {
		t.Fatal("the dashboard has no panels")
	}
	// The first rate needs two scrapes.
	variables := strings.NewReplacer("$__rate_interval", "1m", "$node", "jetson-xavier|raspberrypi", "$namespace", ".*")
	for _, panel := range dashboard.Panels {
		if len(panel.Targets) == 0 {
			t.Errorf("panel %q asks for nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			eventually(t, 90*time.Second, func() error { return hasResult(address, variables.Replace(target.Expr)) })
		}
	}
	historiesFromPrometheus(t, address)
}

func historiesFromPrometheus(t *testing.T, address string) {
	source, err := prom.New(address, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	has := func(h *samples.History, columns ...string) error {
		if h == nil {
			return fmt.Errorf("no history")
		}
		for _, column := range columns {
			found := false
			for _, v := range h.Series[column] {
				found = found || v != nil
			}
			if !found || len(h.Series[column]) != len(h.TimesMs) {
				return fmt.Errorf("%s has no values", column)
			}
		}
		return nil
	}
	eventually(t, 60*time.Second, func() error {
		node, err := source.Node(t.Context(), "jetson-xavier", 6*time.Hour, time.Now())
		if err != nil {
			return err
		}
		if err := has(node, "cpuUsageNanoCores", "memoryWorkingSetBytes"); err != nil {
			return fmt.Errorf("node: %w", err)
		}
		pod, containers, err := source.Pod(t.Context(), "default", "burner", 15*time.Minute, time.Now())
		if err != nil {
			return err
		}
		if err := has(pod, "cpuUsageNanoCores", "memoryWorkingSetBytes", "networkTxBytesPerSecond"); err != nil {
			return fmt.Errorf("pod: %w", err)
		}
		return has(containers["burner"], "cpuUsageNanoCores", "memoryWorkingSetBytes", "diskWriteBytesPerSecond")
	})
}

// writeTargets writes what Prometheus' discovery of Kubernetes makes of the edge nodes
// with role node: InternalIP and kubelet port, and the name as a meta label. A Node's port
// changes with its CloudCore, so discovery is repeated, as Prometheus repeats its own.
func writeTargets(t *testing.T, file string) {
	t.Helper()
	var groups []any
	for name := range edgeNodes {
		target := mustKubectl(t, "get", "node", name, "-o",
			`jsonpath={.status.addresses[?(@.type=="InternalIP")].address}:{.status.daemonEndpoints.kubeletEndpoint.Port}`)
		groups = append(groups, map[string]any{"targets": []any{target}, "labels": map[string]any{"__meta_kubernetes_node_name": name}})
	}
	text, err := json.Marshal(groups)
	if err != nil {
		t.Fatal(err)
	}
	// Prometheus reads the file at any time: it must never see half of it.
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// startPrometheus runs it on a host with the documented configuration, but for the
// discovery of targets, since Debian's Prometheus is built without that of Kubernetes, and
// for the token, which a pod would have in a file. It returns Prometheus' address and the
// file that its targets are read from.
func startPrometheus(t *testing.T, name string) (address, targets string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "docs", "prometheus", "scrape.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// The right that metrics-server has is what the configuration asks for.
	token := strings.TrimSpace(mustKubectl(t, "create", "token", "metrics-server", "--namespace=kube-system"))
	dir := t.TempDir()
	targets = filepath.Join(dir, "targets.json")
	writeTargets(t, targets)
	var config map[string]any
	if err := yaml.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	for _, job := range config["scrape_configs"].([]any) {
		fields := job.(map[string]any)
		discovery := fields["kubernetes_sd_configs"].([]any)[0].(map[string]any)
		if discovery["role"] != "node" {
			t.Fatalf("job %v does not discover nodes", fields["job_name"])
		}
		delete(fields, "kubernetes_sd_configs")
		fields["file_sd_configs"] = []any{map[string]any{"files": []any{targets}, "refresh_interval": "5s"}}
		fields["authorization"] = map[string]any{"credentials": token}
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, h := range site.Hosts {
		if h.Name != name {
			continue
		}
		address = h.Addresses[0] + ":9090"
		args := append(h.Command[1:len(h.Command):len(h.Command)], "prometheus", "--config.file="+file, "--storage.tsdb.path="+dir, "--web.listen-address="+address, "--log.level=warn")
		cmd := exec.Command(h.Command[0], args...)
		var log strings.Builder
		cmd.Stdout, cmd.Stderr = &log, &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait()
			if t.Failed() {
				t.Logf("Prometheus' log:\n%s", log.String())
			}
		})
		return "http://" + address, targets
	}
	t.Fatalf("the sandbox has no host %q", name)
	return "", ""
}

// targetsUp: three jobs on both edge nodes.
func targetsUp(address string) error {
	var answer struct {
		Data struct {
			ActiveTargets []struct {
				ScrapeURL string `json:"scrapeUrl"`
				Health    string `json:"health"`
				LastError string `json:"lastError"`
			} `json:"activeTargets"`
		} `json:"data"`
	}
	if err := ask(address+"/api/v1/targets", &answer); err != nil {
		return err
	}
	if got, want := len(answer.Data.ActiveTargets), 3*len(edgeNodes); got != want {
		return fmt.Errorf("%d targets, want %d", got, want)
	}
	for _, target := range answer.Data.ActiveTargets {
		if target.Health != "up" {
			return fmt.Errorf("%s is %s: %s", target.ScrapeURL, target.Health, target.LastError)
		}
	}
	return nil
}

func hasResult(address, expression string) error {
	var answer struct {
		Data struct {
			Result []json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := ask(address+"/api/v1/query?query="+url.QueryEscape(expression), &answer); err != nil {
		return fmt.Errorf("%s: %w", expression, err)
	}
	if len(answer.Data.Result) == 0 {
		return fmt.Errorf("%s has no result", expression)
	}
	return nil
}

func ask(address string, into any) error {
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Get(address)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", res.Status, body)
	}
	return json.Unmarshal(body, into)
}

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "docs", "prometheus", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
