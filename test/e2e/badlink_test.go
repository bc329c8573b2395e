//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestBadLink takes a device in over a link with 300 ms of round trip, 2 % of loss in
// each direction and 256 kbit/s, from an offline bundle without a passphrase;
// follows a log without a gap; and gets the node's figures.
func TestBadLink(t *testing.T) {
	c := signIn(t, site.Tokens.Admin)
	clean := deviceState(t)
	e := enrollNode(t, c, joinRequest(t, c))
	dir, line := carry(t, c, e.Name, "")
	setLink(t, spare, "bad", "--delay", "150ms", "--loss", "0.02", "--rate", "256000")
	t.Cleanup(func() { setLink(t, spare, "good") })

	start := time.Now()
	onHost(t, spare, "cd "+dir+" && "+line+" 2>&1")
	waitPhaseFor(t, c, e.Name, "Verified", 5*time.Minute)
	t.Logf("Verified %.1f s after the bundle's line was pasted", time.Since(start).Seconds())

	const lines = 200
	start = time.Now()
	counting(t, lines)
	followAll(t, lines)
	t.Logf("followed %d lines, one every 100 ms, in %.1f s from the pod's creation", lines, time.Since(start).Seconds())

	start = time.Now()
	eventually(t, 2*time.Minute, func() error {
		_, err := kubectl(t, "", "top", "node", spare)
		return err
	})
	t.Logf("figures came %.1f s later", time.Since(start).Seconds())

	setLink(t, spare, "good")
	mustKubectl(t, "delete", "pod", "counting", "--grace-period=1", "--wait=true")
	leaveByConsole(t, c)
	onHost(t, spare, "edgectl leave")
	nothingLeft(t, clean)
}

// counting runs a pod on the spare node that writes numbered lines.
func counting(t *testing.T, lines int) {
	t.Helper()
	image := mustKubectl(t, "get", "deployment", "hello-jetson-xavier", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	manifest := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "counting"}, "spec": {
		"nodeName": %q, "tolerations": [{"operator": "Exists"}], "restartPolicy": "Never", "automountServiceAccountToken": false,
		"containers": [{"name": "counting", "image": %q, "imagePullPolicy": "IfNotPresent",
			"command": ["sh", "-c", "i=0; while [ $i -lt %d ]; do echo line $i; i=$((i+1)); sleep 0.1; done; exec sleep 1000"]}]}}`, spare, image, lines)
	if out, err := kubectl(t, manifest, "create", "-f", "-"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() {
		_, _ = kubectl(t, "", "delete", "pod", "counting", "--grace-period=0", "--force", "--ignore-not-found")
	})
	eventually(t, 2*time.Minute, func() error {
		_, err := kubectl(t, "", "wait", "--for=condition=Ready", "pod/counting", "--timeout=10s")
		return err
	})
}

// followAll follows the log until the last line and wants each line once, in order.
func followAll(t *testing.T, lines int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, site.Kubectl, "--kubeconfig", site.Kubeconfig, "logs", "-f", "counting")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	scanner := bufio.NewScanner(out)
	for i := range lines {
		if !scanner.Scan() {
			t.Fatalf("the log ended before line %d: %v", i, scanner.Err())
		}
		if got, want := strings.TrimSpace(scanner.Text()), fmt.Sprintf("line %d", i); got != want {
			t.Fatalf("the log has %q where %q belongs", got, want)
		}
	}
}
