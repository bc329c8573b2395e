package netns

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// underlay is two cloud nodes, an edge host and an outsider around a router, and
// two pods on the first node: CloudCore and a tenant's. Everybody has a route to
// everybody, so that only the guard can stop anyone.
type underlay struct {
	t                                  *testing.T
	router, node, other, outside, edge *lab.NS
	core, tenant                       *lab.NS
	models                             map[*lab.NS]*netrules.Model
	backends                           map[*lab.NS]netrules.Backend
	nodeAddrs, otherAddrs              []netip.Addr
	endpoint                           []string
	hostNetwork                        bool
}

const (
	streamNodePort = "31003"
	tenantNodePort = "31013" // of a Service that a tenant made for CloudCore's own port
	service4       = "203.0.113.7"
	service6       = "fd96::7"
	routed4        = "192.168.100.2" // an edge address that only the routes lead to
	routed6        = "fd00:100::2"
	otherCorePort  = "10002"
)

// stub connects a namespace to a router by a network of its own and makes it the
// default route. It returns the namespace's addresses.
func stub(t *testing.T, router *lab.NS, net int, name string) (*lab.NS, []netip.Addr) {
	t.Helper()
	ns := lab.New(t, name)
	v4, v6 := fmt.Sprintf("10.8.%d.", net), fmt.Sprintf("fd08:%d::", net)
	lab.Link(t, router, name, []string{v4 + "1/24", v6 + "1/64"}, ns, "uplink", []string{v4 + "2/24", v6 + "2/64"})
	ns.IP("route", "add", "default", "via", v4+"1")
	ns.IP("-6", "route", "add", "default", "via", v6+"1")
	return ns, []netip.Addr{netip.MustParseAddr(v4 + "2"), netip.MustParseAddr(v6 + "2")}
}

func forwards(ns *lab.NS) {
	ns.Sysctl("net.ipv4.ip_forward", "1")
	ns.Sysctl("net.ipv6.conf.all.forwarding", "1")
}

func newUnderlay(t *testing.T, k kind, hostNetwork bool) *underlay {
	t.Helper()
	u := &underlay{t: t, router: lab.New(t, "router"), hostNetwork: hostNetwork,
		models: map[*lab.NS]*netrules.Model{}, backends: map[*lab.NS]netrules.Backend{}}
	forwards(u.router)
	u.node, u.nodeAddrs = stub(t, u.router, 1, "node")
	u.other, u.otherAddrs = stub(t, u.router, 2, "other")
	u.outside, _ = stub(t, u.router, 3, "outside")
	u.edge, _ = stub(t, u.router, 4, "edge")
	forwards(u.node)
	forwards(u.other)
	var core []netip.Addr
	u.core, core = stub(t, u.node, 11, "core")
	u.tenant, _ = stub(t, u.node, 13, "tenant")
	for _, to := range []string{"10.8.11.0/24", "10.8.13.0/24", service4, routed4} {
		u.router.IP("route", "add", to, "via", "10.8.1.2")
	}
	for _, to := range []string{"fd08:11::/64", "fd08:13::/64", service6, routed6} {
		u.router.IP("-6", "route", "add", to, "via", "fd08:1::2")
	}
	u.edgeAddress()
	server := u.core
	if hostNetwork {
		server, core = u.node, u.nodeAddrs
	}
	server.Serve("gate", ":10003")
	server.Serve("core", ":"+corePort)
	server.Serve("hub", ":"+otherCorePort)
	for _, addr := range core {
		u.endpoint = append(u.endpoint, addr.String())
	}
	for _, ns := range []*lab.NS{u.node, u.other} {
		u.proxy(ns, core)
		b, err := k.open(ns.FD, discard)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		u.backends[ns], u.models[ns] = b, netrules.NewModel()
	}
	u.models[u.node].SetLocal(append(u.nodeAddrs, netip.MustParseAddr("10.8.13.1"), netip.MustParseAddr("fd08:13::1")))
	u.models[u.other].SetLocal(u.otherAddrs)
	return u
}

// edgeAddress makes the edge host speak with the address that its Node reports.
func (u *underlay) edgeAddress() {
	u.edge.IP("addr", "add", edgeA+"/32", "dev", "lo")
	u.edge.IP("addr", "add", edgeA6+"/128", "dev", "lo", "nodad")
	u.edge.IP("route", "replace", "default", "via", "10.8.4.1", "src", edgeA)
	u.edge.IP("-6", "route", "replace", "default", "via", "fd08:4::1", "src", edgeA6)
	u.router.IP("route", "add", edgeA, "via", "10.8.4.2")
	u.router.IP("-6", "route", "add", edgeA6, "via", "fd08:4::2")
}

// proxy does what kube-proxy does: node ports and the Service's address lead to the
// endpoint's ports, the gate's and CloudCore's own, from outside and from the node's own processes.
func (u *underlay) proxy(ns *lab.NS, core []netip.Addr) {
	rules := []string{"add table inet proxy", "add chain inet proxy services"}
	for _, s := range []struct{ nodePort, port string }{{streamNodePort, "10003"}, {tenantNodePort, corePort}} {
		to4, to6 := fmt.Sprintf("dnat ip to %s:%s", core[0], s.port), fmt.Sprintf("dnat ip6 to [%s]:%s", core[1], s.port)
		rules = append(rules,
			"add rule inet proxy services meta nfproto ipv4 fib daddr type local tcp dport "+s.nodePort+" "+to4,
			"add rule inet proxy services ip daddr "+service4+" tcp dport "+s.port+" "+to4,
			"add rule inet proxy services meta nfproto ipv6 fib daddr type local tcp dport "+s.nodePort+" "+to6,
			"add rule inet proxy services ip6 daddr "+service6+" tcp dport "+s.port+" "+to6)
	}
	rules = append(rules,
		"add chain inet proxy pre { type nat hook prerouting priority -100 ; }", "add rule inet proxy pre jump services",
		"add chain inet proxy out { type nat hook output priority -100 ; }", "add rule inet proxy out jump services",
		"add chain inet proxy post { type nat hook postrouting priority 100 ; }", "add rule inet proxy post ct status dnat masquerade")
	ns.Exec("nft", strings.Join(rules, ";"))
}

// apply brings both nodes' kernels to the routes, with or without the guard.
func (u *underlay) apply(guard bool) {
	u.t.Helper()
	facts := guardFacts(u.endpoint...)
	facts.Enabled = guard
	for ns, m := range u.models {
		err := m.SetSlice("a", []v1alpha1.EdgeRoute{route("a", edgeA, "10351"), route("a", edgeA6, "10351"),
			route("b", routed4, "10351"), route("b", routed6, "10351")})
		if err != nil {
			u.t.Fatal(err)
		}
		if err := m.SetTargets(targetsOf(facts, strings.Join(u.endpoint, " "))); err != nil {
			u.t.Fatal(err)
		}
		if _, err := u.backends[ns].Apply(u.t.Context(), m.Plan(), netrules.Trust); err != nil {
			u.t.Fatal(err)
		}
		m.Commit()
	}
}

// doors are the ways to a port of CloudCore's, by name.
func (u *underlay) doors(port, nodePort string) map[string]string {
	at := func(addr any, port string) string { return net.JoinHostPort(fmt.Sprint(addr), port) }
	doors := map[string]string{"load balancer v4": at(service4, port), "load balancer v6": at(service6, port)}
	for i, family := range []string{"v4", "v6"} {
		doors["CloudCore "+family] = at(u.endpoint[i], port)
		doors["node port of CloudCore's node "+family] = at(u.nodeAddrs[i], nodePort)
		doors["node port of the other node "+family] = at(u.otherAddrs[i], nodePort)
		doors["node port at a pod's gateway "+family] = at([]string{"10.8.13.1", "fd08:13::1"}[i], nodePort)
		if u.hostNetwork {
			doors["another address of CloudCore's node "+family] = at([]string{"10.8.13.1", "fd08:13::1"}[i], port)
		}
	}
	return doors
}

// gates are the ways to the gate, the routes of edge addresses among them.
func (u *underlay) gates() map[string]string {
	doors := u.doors("10003", streamNodePort)
	for name, addr := range map[string]string{"v4": routed4, "v6": routed6} {
		doors["edge IP "+name] = net.JoinHostPort(addr, "10250")
		doors["edge IP tunnel port "+name] = net.JoinHostPort(addr, "10351")
	}
	return doors
}

// knocks tries every door from everybody at once: all open, or none.
func (u *underlay) knocks(doors map[string]string, who string, open bool) {
	u.t.Helper()
	var wg sync.WaitGroup
	for _, from := range []*lab.NS{u.outside, u.edge, u.tenant, u.node, u.other} {
		for door, address := range doors {
			wg.Go(func() {
				patience := dead
				if open {
					patience = prompt
				}
				got, err := from.Who(address, patience)
				if entered := err == nil && got == who; entered != open {
					u.t.Errorf("from %s to %s (%s): answered %q (%v), open: %v", from.Name, door, address, got, err, open)
				}
			})
		}
	}
	wg.Wait()
}

// TestGuardMatrix tries every way to CloudCore's own port from every kind of place, first
// with the guard off: then all of them are open. The ways to the gate stay open.
func TestGuardMatrix(t *testing.T) {
	for _, k := range kinds {
		for _, hostNetwork := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, CloudCore on the host's network: %v", k.name, hostNetwork), func(t *testing.T) {
				t.Parallel()
				u := newUnderlay(t, k, hostNetwork)
				own := u.doors(corePort, tenantNodePort)
				u.apply(false)
				u.knocks(own, "core", true)
				u.apply(true)
				u.knocks(own, "core", false)
				u.knocks(u.gates(), "gate", true)
				server := u.core
				if hostNetwork {
					server = u.node
				}
				for _, loopback := range []string{"127.0.0.1", "::1"} {
					if got, err := server.Who(net.JoinHostPort(loopback, corePort), prompt); err != nil || got != "core" {
						t.Errorf("the gate's way by %s answered %q (%v), want core", loopback, got, err)
					}
				}
				for _, from := range []*lab.NS{u.outside, u.edge, u.tenant} {
					if got, err := from.Who(net.JoinHostPort(u.endpoint[0], otherCorePort), prompt); err != nil || got != "hub" {
						t.Errorf("from %s CloudHub answered %q (%v), want hub", from.Name, got, err)
					}
				}
				if c, err := u.backends[u.node].Counters(t.Context()); err != nil || c.Guarded == 0 {
					t.Errorf("counters of CloudCore's node are %+v (%v), want guarded packets", c, err)
				}
			})
		}
	}
}
