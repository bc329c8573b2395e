package netns

import (
	"net/netip"
	"testing"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// guardFacts protect a CloudCore on the network of another node, with a Service
// that has an external address and a node port.
func guardFacts() *v1alpha1.EdgeRouteGuard {
	return &v1alpha1.EdgeRouteGuard{
		Enabled:      true,
		ServicePorts: []v1alpha1.EdgeRouteGuardPort{{Addresses: []string{"10.96.0.10", "fd00:96::10"}, Port: 10003}},
		NodePort:     31003,
		Admitted:     []string{"10.9.4.2", "fd00:4::2"},
	}
}

func TestGuard(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		admitted := lab.New(t, "admitted")
		lab.Link(t, s.node, "admitted", []string{"10.9.4.1/24", "fd00:4::1/64"}, admitted, "node", []string{"10.9.4.2/24", "fd00:4::2/64"})
		admitted.IP("route", "add", "default", "via", "10.9.4.1")
		admitted.IP("-6", "route", "add", "default", "via", "fd00:4::1")
		s.core.IP("route", "add", "default", "via", "10.9.1.1")
		s.core.IP("-6", "route", "add", "default", "via", "fd00:1::1")
		s.world.IP("-6", "route", "add", "fd00::/16", "via", "fd00:3::1")
		s.world.IP("route", "add", "10.96.0.10", "via", "10.9.3.1")
		// What kube-proxy does: Service address and node port to the endpoint.
		s.node.Exec("nft", `table inet proxy { chain pre { type nat hook prerouting priority -100; meta nfproto ipv4 tcp dport { 31003 } dnat ip to 10.9.1.2:10003; ip daddr 10.96.0.10 tcp dport 10003 dnat ip to 10.9.1.2:10003; meta nfproto ipv6 tcp dport 31003 dnat ip6 to [fd00:1::2]:10003; }; }`)

		matrix := []struct{ what, address string }{
			{"pod IP", "10.9.1.2:10003"},
			{"pod IP v6", "[fd00:1::2]:10003"},
			{"node port", "10.9.2.1:31003"},
			{"node port from outside", "10.9.3.1:31003"},
			{"node port v6", "[fd00:3::1]:31003"},
			{"service", "10.96.0.10:10003"},
			{"edge IP", edgeA + ":10250"},
			{"edge IP, tunnel port", edgeB + ":10351"},
			{"edge IP v6", "[" + edgeA6 + "]:10250"},
		}
		routes := func(guard *v1alpha1.EdgeRouteGuard) {
			s.routes(route("a", edgeA, "10351"), route("b", edgeB, "10352"), route("a", edgeA6, "10351")).
				targets(guard, "10.9.1.2 fd00:1::2", "10.9.1.3")
			s.apply(netrules.Trust)
		}
		reachable := func(from *lab.NS, address string) {
			t.Helper()
			if got, err := from.Who(address, prompt); err != nil {
				t.Errorf("from %s, %s answered %q (%v), want an answer", from.Name, address, got, err)
			}
		}
		routes(nil)
		for _, m := range matrix { // the guard alone makes the difference
			reachable(s.pod, m.address)
		}
		routes(guardFacts())
		for _, m := range matrix {
			t.Run(m.what, func(t *testing.T) {
				s.dropped(s.pod, m.address)
				reachable(admitted, m.address)
			})
		}
		for _, address := range []string{"10.9.1.2:10003", "10.9.3.1:31003", "10.96.0.10:10003"} {
			s.dropped(s.world, address)
		}
		for _, address := range []string{"10.9.1.2:10003", edgeA + ":10250", "[" + edgeA6 + "]:10250"} {
			reachable(s.node, address)
		}
		if c, err := s.backend.Counters(t.Context()); err != nil || c.Guarded == 0 {
			t.Errorf("counters are %+v (%v), want guarded packets", c, err)
		}
		// Another cloud node is admitted once its operator reports it.
		s.model.SetCloudNodes([]netip.Addr{netip.MustParseAddr("10.9.3.2")})
		s.apply(netrules.Trust)
		reachable(s.world, "10.9.1.2:10003")
		s.dropped(s.pod, "10.9.1.2:10003")
	})
}

func TestGuardOfACloudCoreOnThisNode(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		s.node.Serve("host-core", "0.0.0.0:10003")
		s.model.SetLocal([]netip.Addr{netip.MustParseAddr("10.9.2.1"), netip.MustParseAddr("10.9.3.1")})
		s.routes(route("a", edgeA, "10351")).targets(&v1alpha1.EdgeRouteGuard{Enabled: true, HostNetwork: true}, "10.9.3.1")
		s.apply(netrules.Trust)
		for _, address := range []string{"10.9.2.1:10003", "10.9.3.1:10003", edgeA + ":10250"} {
			s.dropped(s.pod, address)
			s.expect(s.node, address, "host-core")
		}
		s.expect(s.node, "127.0.0.1:10003", "host-core")
		s.dropped(s.world, "10.9.3.1:10003")
	})
}
