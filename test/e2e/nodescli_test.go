//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/test/onsite"
)

// TestNodesOnTheCommandLine takes a device in, changes it and takes it out again with
// edgeway nodes alone.
func TestNodesOnTheCommandLine(t *testing.T) {
	clean := deviceState(t)
	join := edgewayCommand(t.Context(), "nodes", "join", spare, "--ip", spareIP, "--label", "site=berlin",
		"--console", site.Console.URL, "--pin", onsite.ConsolePin(t, site.Console.URL), "-o", "json", "--wait", "90s")
	var phases bytes.Buffer
	join.Stderr = &phases
	stdout, err := join.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := join.Start(); err != nil {
		t.Fatal(err)
	}
	var made struct{ Enrollment, Command, NodeIP string }
	if err := json.NewDecoder(stdout).Decode(&made); err != nil {
		t.Fatalf("edgeway nodes join: %v; it says %s", err, phases.String())
	}
	t.Cleanup(func() {
		mustKubectl(t, "-n", "edgeway-join", "delete", "edgeenrollment", made.Enrollment, "--ignore-not-found")
	})
	onHost(t, spare, made.Command)
	if err := join.Wait(); err != nil || !strings.HasSuffix(phases.String(), "Verified\n") {
		t.Fatalf("edgeway nodes join ended with %v, want it to follow the device to Verified: %s", err, phases.String())
	}

	if list := mustEdgeway(t, "nodes", "list"); !strings.Contains(list, spare) || strings.Contains(list, "worker") {
		t.Errorf("edgeway nodes list shows\n%swant the edge nodes alone", list)
	}
	wantNode(t, "{.metadata.labels.site}", "berlin")
	mustEdgeway(t, "nodes", "label", spare, "site=bonn", "rack=7")
	wantNode(t, "{.metadata.labels.site} {.metadata.labels.rack}", "bonn 7")
	mustEdgeway(t, "nodes", "label", spare, "rack-")
	wantNode(t, "{.metadata.labels.site} {.metadata.labels.rack}", "bonn ")
	mustEdgeway(t, "nodes", "taint", spare, "gpu=yes:PreferNoSchedule")
	wantNode(t, `{.spec.taints[?(@.key=="gpu")].value}`, "yes")
	mustEdgeway(t, "nodes", "taint", spare, "gpu-")
	wantNode(t, `{.spec.taints[?(@.key=="gpu")].value}`, "")
	mustEdgeway(t, "nodes", "cordon", spare)
	wantNode(t, "{.spec.unschedulable}", "true")
	mustEdgeway(t, "nodes", "uncordon", spare)
	wantNode(t, "{.spec.unschedulable}", "")
	nodesRefusals(t)

	if plan := mustEdgeway(t, "nodes", "leave", spare, "--plan", "-o", "json"); !strings.Contains(plan, made.Enrollment) {
		t.Errorf("the plan does not name the enrollment: %s", plan)
	}
	mustEdgeway(t, "nodes", "leave", spare, "--timeout", "30s")
	if out := mustKubectl(t, "get", "node", spare, "--ignore-not-found", "-o", "name"); out != "" {
		t.Errorf("edgeway nodes leave ended, and %s is still there", out)
	}
	onHost(t, spare, "edgectl leave")
	nothingLeft(t, clean)
}

// nodesRefusals tries what must not change anything.
func nodesRefusals(t *testing.T) {
	t.Helper()
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"nodes", "label", spare, "kubernetes.io/hostname=x"}, "belongs to Kubernetes", 2},
		{[]string{"nodes", "label", spare, "node-role.kubernetes.io/edge-"}, "stays", 2},
		{[]string{"nodes", "label", spare, "nobody-"}, "not from the node's enrollment", 2},
		{[]string{"nodes", "label", spare, "a"}, "write KEY=VALUE", 2},
		{[]string{"nodes", "taint", spare, "gpu=yes"}, "write KEY[=VALUE]:EFFECT", 2},
		{[]string{"nodes", "taint", spare, "gpu=yes:Never"}, "is not an effect", 2},
		{[]string{"nodes", "cordon", "worker"}, "is a cloud node", 2},
		{[]string{"nodes", "leave", "worker"}, "is a cloud node", 2},
		{[]string{"nodes", "leave", "nobody"}, "not found", 1},
		{[]string{"nodes", "join", spare, "--ip", "192.168.100.77"}, "is a node of this cluster", 2},
		{[]string{"nodes", "join", "another", "--ip", spareIP}, "is reserved for edge node", 2},
		{[]string{"nodes", "join", "$(reboot)", "--ip", "192.168.100.77"}, "is not a node name", 2},
		{[]string{"nodes", "join", "another", "--pin", "sha256//x"}, "give --console", 2},
	} {
		_, errs, err := edgeway(t, time.Minute, c.args...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("edgeway %s ended with %v and says %q, want exit code %d and %q", strings.Join(c.args, " "), err, errs, c.code, c.want)
		}
	}
}

// mustEdgeway gives the command line's standard output.
func mustEdgeway(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, err := edgeway(t, 2*time.Minute, args...)
	if err != nil {
		t.Fatalf("edgeway %s: %v: %s", strings.Join(args, " "), err, errs)
	}
	return out
}

// wantNode waits until a field of the spare host's Node has a value: edge-watcher acts
// on the enrollment.
func wantNode(t *testing.T, path, want string) {
	t.Helper()
	eventually(t, 20*time.Second, func() error {
		got, err := kubectl(t, "", "get", "node", spare, "-o", "jsonpath="+path)
		if err == nil && got != want {
			err = fmt.Errorf("%s of node %s is %q, want %q", path, spare, got, want)
		}
		return err
	})
}
