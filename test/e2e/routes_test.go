//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/test/onsite"
)

// cloudNodes are the hosts whose kernels hold the routes.
var cloudNodes = onsite.CloudNodes

// TestRequestsTakeTheRoute takes the routes and their conntrack entries away and
// sees the same requests fail; then it lets the operators put them back.
func TestRequestsTakeTheRoute(t *testing.T) {
	for node := range edgeNodes {
		if err := logs(t, node); err != nil {
			t.Fatalf("before: %v", err)
		}
	}
	stopOperators(t)
	for _, host := range cloudNodes {
		if !strings.Contains(onHost(t, host, "nft list tables"), "inet edgeway") {
			t.Errorf("%s: table inet edgeway is gone with its operator; it should outlive it", host)
		}
	}
	for node := range edgeNodes {
		if err := logs(t, node); err != nil {
			t.Errorf("without operators the kernel's routes should still serve: %v", err)
		}
	}
	for _, host := range cloudNodes {
		onHost(t, host, "nft delete table inet edgeway")
		for _, address := range edgeNodes {
			onHost(t, host, "conntrack -D -d "+address+" || true")
		}
	}
	for node := range edgeNodes {
		if err := logs(t, node); err == nil {
			t.Errorf("%s: logs work without a route", node)
		}
		if err := summary(t, node); err == nil {
			t.Errorf("%s: the node proxy works without a route", node)
		}
	}
	startOperators(t)
	for node := range edgeNodes {
		eventually(t, 30*time.Second, func() error { return logs(t, node) })
		eventually(t, 30*time.Second, func() error { return summary(t, node) })
	}
}

func logs(t *testing.T, node string) error { return site.Log(t, node) }

const operator = "daemonset/iptables-operator"

// stopOperators gives the DaemonSet a node selector that no node has.
func stopOperators(t *testing.T) {
	t.Helper()
	mustKubectl(t, "-n", "kubeedge", "patch", operator, "--type=merge", "-p",
		`{"spec":{"template":{"spec":{"nodeSelector":{"edgeway.io/test":"nowhere"}}}}}`)
	t.Cleanup(func() { startOperators(t) })
	eventually(t, time.Minute, func() error {
		out, err := kubectl(t, "", "-n", "kubeedge", "get", "pods", "-o", "name")
		if err == nil && strings.Contains(out, "iptables-operator") {
			err = fmt.Errorf("operators still run: %s", out)
		}
		return err
	})
}

func startOperators(t *testing.T) {
	t.Helper()
	mustKubectl(t, "-n", "kubeedge", "patch", operator, "--type=merge", "-p",
		`{"spec":{"template":{"spec":{"nodeSelector":{"edgeway.io/test":null}}}}}`)
	mustKubectl(t, "-n", "kubeedge", "rollout", "status", operator, "--timeout=60s")
}
