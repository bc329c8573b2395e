//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLinkCut unplugs an edge host for 90 seconds. The node is seen to go; when
// the link is back it returns by itself, with the same pods and no restart.
func TestLinkCut(t *testing.T) {
	const node = "jetson-xavier"
	before := podStates(t, node)
	setLink(t, node, "down")
	t.Cleanup(func() { setLink(t, node, "up") })
	cut := time.Now()
	eventually(t, 85*time.Second, func() error {
		if ready := readiness(t, node); ready == "True" {
			return fmt.Errorf("node %s is still Ready", node)
		}
		return nil
	})
	time.Sleep(time.Until(cut.Add(90 * time.Second)))
	setLink(t, node, "up")
	eventually(t, 60*time.Second, func() error {
		if ready := readiness(t, node); ready != "True" {
			return fmt.Errorf("node %s: Ready is %q", node, ready)
		}
		return nil
	})
	eventually(t, 60*time.Second, func() error { return logs(t, node) })
	eventually(t, 60*time.Second, func() error { return summary(t, node) })
	if after := podStates(t, node); after != before {
		t.Errorf("pods changed over the outage:\nbefore %s\nafter  %s", before, after)
	}
}

func readiness(t *testing.T, node string) string {
	return mustKubectl(t, "get", "node", node, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
}

// podStates tells each pod of a node with its UID and restarts.
func podStates(t *testing.T, node string) string {
	return mustKubectl(t, "get", "pods", "-A", "--field-selector=spec.nodeName="+node, "--sort-by=.metadata.name", "-o",
		`jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.status.containerStatuses[*].restartCount}{"\n"}{end}`)
}

func setLink(t *testing.T, host, state string, quality ...string) {
	t.Helper()
	args := append([]string{"link", host, state}, quality...)
	if out, err := exec.Command(filepath.Join(root, "bin", "sandbox"), args...).CombinedOutput(); err != nil {
		t.Fatalf("link %s %s: %v: %s", host, state, err, out)
	}
}

// TestUpAgain runs `up` on the running site: nothing is made anew, and the site keeps
// its KubeEdge programs without being told of them.
func TestUpAgain(t *testing.T) {
	pods := func() string {
		return strings.TrimSpace(mustKubectl(t, "get", "pods", "-A", "--sort-by=.metadata.uid", "-o", "jsonpath={.items[*].metadata.uid}"))
	}
	before := pods()
	if out, err := exec.Command(filepath.Join(root, "bin", "sandbox"), "up").CombinedOutput(); err != nil {
		t.Fatalf("up: %v: %s", err, out)
	}
	if after := pods(); after != before {
		t.Errorf("the pods changed:\nbefore %s\nafter  %s", before, after)
	}
}
