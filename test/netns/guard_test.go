package netns

import (
	"net/netip"
	"testing"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// corePort is CloudCore's own, behind the gate at 10003.
const corePort = "10013"

// guardFacts protect CloudCores at these addresses.
func guardFacts(addresses ...string) *v1alpha1.EdgeRouteGuard {
	return &v1alpha1.EdgeRouteGuard{Enabled: true, Addresses: addresses, Ports: []int32{10013, 10014}}
}

// TestGuardCutsOpenConnections: what was open before the rules were, or was opened while
// somebody had flushed them, ends with them.
func TestGuardCutsOpenConnections(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		s.core.IP("route", "add", "default", "via", "10.9.1.1")
		s.core.IP("-6", "route", "add", "default", "via", "fd00:1::1")
		s.core.Serve("own", ":"+corePort)
		// A tenant's own Service for CloudCore's port.
		s.node.Exec("nft", `table inet tenant { chain pre { type nat hook prerouting priority -100; ip daddr 10.96.0.10 tcp dport 80 dnat ip to 10.9.1.2:10013; }; }`)
		open := map[string]*lab.Client{}
		dial := func() {
			for _, address := range []string{"10.9.1.2:" + corePort, "[fd00:1::2]:" + corePort, "10.96.0.10:80"} {
				c, err := s.pod.Dial(address, prompt)
				if err != nil {
					t.Fatalf("dial %s: %v", address, err)
				}
				if got, err := c.Ask(prompt); err != nil || got != "own" {
					t.Fatalf("%s answers %q (%v) before the guard", address, got, err)
				}
				open[address] = c
			}
		}
		cut := func(when string) {
			for address, c := range open {
				if got, err := c.Ask(dead); err == nil {
					t.Errorf("%s: the open connection to %s still answers %q", when, address, got)
				}
			}
		}
		s.usual()
		dial()
		s.targets(guardFacts("10.9.1.2", "fd00:1::2"), "10.9.1.2 fd00:1::2", "10.9.1.3")
		s.apply(netrules.Trust)
		cut("the guard came")

		if s.kind.iptables == nil {
			s.node.Exec("nft", "delete", "table", "inet", "edgeway")
		} else {
			for _, family := range []string{"iptables", "ip6tables"} {
				s.node.Exec(family+"-"+string(s.kind.iptables.Variant), "-t", "mangle", "-F")
			}
		}
		dial()
		if res := s.apply(netrules.CheckAll); !res.Drift {
			t.Errorf("the repair says %+v, want drift", res)
		}
		cut("the guard was repaired")
		s.expect(s.pod, "10.9.1.2:10003", "core1")
	})
}

// TestGuardOfACloudCoreOnThisNode: on the node's own network the gate's way, by a
// loopback address, is all that is left.
func TestGuardOfACloudCoreOnThisNode(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		s.node.Serve("gate", ":10003")
		s.node.Serve("own", ":"+corePort)
		s.model.SetLocal([]netip.Addr{netip.MustParseAddr("10.9.2.1"), netip.MustParseAddr("10.9.3.1"), netip.MustParseAddr("fd00:2::1")})
		s.routes(route("a", edgeA, "10351")).targets(guardFacts("10.9.3.1"), "10.9.3.1")
		s.apply(netrules.Trust)
		for _, address := range []string{"10.9.2.1:", "10.9.3.1:", "[fd00:2::1]:"} {
			s.dropped(s.pod, address+corePort)
			s.dropped(s.node, address+corePort)
			s.expect(s.pod, address+"10003", "gate")
		}
		for _, address := range []string{"127.0.0.1:", "[::1]:"} {
			s.expect(s.node, address+corePort, "own")
		}
		s.dropped(s.world, "10.9.3.1:"+corePort)
		for _, from := range []*lab.NS{s.pod, s.node} {
			s.expect(from, edgeA+":10250", "gate")
		}
		// With kube-proxy's route_localnet a neighbor's packet may say 127.0.0.1.
		s.node.Sysctl("net.ipv4.conf.all.route_localnet", "1")
		s.pod.Sysctl("net.ipv4.conf.all.route_localnet", "1")
		s.pod.IP("addr", "del", "127.0.0.1/8", "dev", "lo")
		s.pod.IP("route", "add", "127.0.0.1", "via", "10.9.2.1")
		s.dropped(s.pod, "127.0.0.1:"+corePort)
	})
}
