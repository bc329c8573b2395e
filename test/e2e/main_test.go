//go:build e2e

// Package e2e drives kubectl, from outside the product, against a running
// sandbox: what works here works for every client of the same API.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// site is what .sandbox/site.json tells about the running sandbox.
var site struct {
	Kubeconfig string `json:"kubeconfig"`
	Kubectl    string `json:"kubectl"`
	KubeEdge   string `json:"kubeedge"`
	Burner     string `json:"burner"`
	Console    struct {
		URL string `json:"url"`
	} `json:"console"`
	Tokens struct {
		Admin  string `json:"admin"`
		Viewer string `json:"viewer"`
	} `json:"tokens"`
	Hosts []struct {
		Name      string   `json:"name"`
		Role      string   `json:"role"`
		Addresses []string `json:"addresses"`
		Command   []string `json:"command"`
	} `json:"hosts"`
}

// root is the work tree.
var root string

// edgeNodes are the edge hosts that `make up` joins, with the address each reports.
var edgeNodes = map[string]string{"jetson-xavier": "192.168.100.1", "raspberrypi": "192.168.100.2"}

func TestMain(m *testing.M) {
	if err := readSite(); err != nil {
		fmt.Fprintln(os.Stderr, "these tests need a running sandbox (make up):", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func readSite() error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	root = filepath.Dir(filepath.Dir(dir))
	b, err := os.ReadFile(filepath.Join(root, ".sandbox", "site.json"))
	if err != nil {
		return err
	}
	return json.Unmarshal(b, &site)
}

// kubectl runs kubectl for at most a minute.
func kubectl(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, site.Kubectl, append([]string{"--kubeconfig", site.Kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

func mustKubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := kubectl(t, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// onHost runs a shell command on a host of the sandbox.
func onHost(t *testing.T, host, script string) string {
	t.Helper()
	for _, h := range site.Hosts {
		if h.Name != host {
			continue
		}
		args := append(h.Command[1:len(h.Command):len(h.Command)], "sh", "-c", script)
		out, err := exec.CommandContext(t.Context(), h.Command[0], args...).CombinedOutput()
		if err != nil {
			t.Fatalf("on %s: %s: %v: %s", host, script, err, out)
		}
		return string(out)
	}
	t.Fatalf("the sandbox has no host %q", host)
	return ""
}

// eventually repeats a check until it passes and fails with its last error.
func eventually(t *testing.T, timeout time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not after %s: %v", timeout, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// forEachEdge runs a test once for every edge node.
func forEachEdge(t *testing.T, test func(t *testing.T, node string)) {
	for node := range edgeNodes {
		t.Run(node, func(t *testing.T) { test(t, node) })
	}
}
