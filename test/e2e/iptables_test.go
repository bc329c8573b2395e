//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// withIPTables is what the chart gives operators whose backend is iptables.
const withIPTables = `{"spec":{"template":{"spec":{
	"volumes":[{"name":"xtables-lock","hostPath":{"path":"/run/xtables.lock","type":"FileOrCreate"}}],
	"containers":[{"name":"iptables-operator",
		"args":["--backend=iptables","--metrics-bind-address=127.0.0.1:9469","--health-probe-bind-address=127.0.0.1:9470"],
		"volumeMounts":[{"name":"xtables-lock","mountPath":"/run/xtables.lock"}],
		"securityContext":{"capabilities":{"drop":["ALL"],"add":["NET_ADMIN","NET_RAW"]}}}]}}}}`

// TestIPTablesBackend moves all operators from nftables to iptables and back. The
// rules of one never stay beside those of the other.
func TestIPTablesBackend(t *testing.T) {
	t.Cleanup(func() { backendIs(t, "nftables", "") })
	t.Cleanup(func() { mustKubectl(t, "-n", "kubeedge", "rollout", "undo", operator) })
	mustKubectl(t, "-n", "kubeedge", "patch", operator, "--type=strategic", "-p", withIPTables)
	backendIs(t, "iptables-", "EDGEWAY-DNAT")
	for _, host := range cloudNodes {
		if out := onHost(t, host, "nft list tables"); strings.Contains(out, "inet edgeway") {
			t.Errorf("%s: table inet edgeway is still there:\n%s", host, out)
		}
		if out := onHost(t, host, "ipset list -name"); !strings.Contains(out, "EDGEWAY-4-EDGE") {
			t.Errorf("%s: there is no set of edge addresses:\n%s", host, out)
		}
		onHost(t, host, "iptables-nft -t nat -F; iptables-legacy -t nat -F")
	}
	for node := range edgeNodes {
		eventually(t, 10*time.Second, func() error { return logs(t, node) })
		eventually(t, 10*time.Second, func() error { return summary(t, node) })
	}
}

// backendIs waits until every cloud node reports a backend, and looks for its chain
// in iptables; none of ours may be there without one.
func backendIs(t *testing.T, backend, chain string) {
	t.Helper()
	for _, host := range cloudNodes {
		eventually(t, 2*time.Minute, func() error {
			out, err := kubectl(t, "", "get", "cloudnoderoutes", "-o", `jsonpath={range .items[*]}{.status.backend} {.status.lastError}{"\n"}{end}`)
			if err == nil && strings.Count(out, backend) != len(cloudNodes) {
				err = fmt.Errorf("backends are %q, want %s", out, backend)
			}
			return err
		})
		eventually(t, 10*time.Second, func() error {
			out := onHost(t, host, "(iptables-nft-save; iptables-legacy-save; ipset save) 2>/dev/null")
			if chain == "" && strings.Contains(out, "EDGEWAY-") || !strings.Contains(out, chain) {
				return fmt.Errorf("%s: with %s, iptables holds:\n%s", host, backend, out)
			}
			return nil
		})
	}
}
