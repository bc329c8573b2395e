package nft

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/nft/trace"
)

// sent makes a fresh simulated kernel hold a model's plan, from the bytes that a
// real one would get.
func sent(t testing.TB, m *netrules.Model) *trace.Kernel {
	t.Helper()
	p := m.Plan()
	want, err := render(p.Rules)
	if err != nil {
		t.Fatal(err)
	}
	k := trace.New()
	if err := k.Apply(anew(false, want, p).finish(1)); err != nil {
		t.Fatal(err)
	}
	return k
}

func addrs(list string) []netip.Addr {
	var out []netip.Addr
	for a := range strings.FieldsSeq(list) {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func edgeRoute(address, target string) v1alpha1.EdgeRoute {
	return v1alpha1.EdgeRoute{Node: "n" + address, Address: address, Ports: []int32{10350, 10250}, Target: target}
}

func target(id string, tunnelPort int32, endpoints ...string) v1alpha1.EdgeRouteTarget {
	t := v1alpha1.EdgeRouteTarget{ID: id, TunnelPort: tunnelPort}
	for _, e := range endpoints {
		ap := netip.MustParseAddrPort(e)
		t.Endpoints = append(t.Endpoints, v1alpha1.EdgeRouteEndpoint{Address: ap.Addr().String(), Port: int32(ap.Port())})
	}
	return t
}

const (
	core1, core1v6 = "10.1.0.1:10003", "[fd01::1]:10003"
	core2          = "10.1.0.2:10003"
	// coreLocal is a CloudCore on the very node, on its network.
	coreLocal = "10.9.0.1:10003"
)

// tracedHost is a cloud node with five CloudCores: one of both families, one of
// IPv4, one without an endpoint, a configured destination, and one on the node.
func tracedHost(t *testing.T) trace.Host {
	t.Helper()
	m := netrules.NewModel()
	m.SetLocal(addrs("10.9.0.1 fd09::1"))
	routes := []v1alpha1.EdgeRoute{
		edgeRoute("192.168.1.1", "10351"), edgeRoute("192.168.1.2", "10352"), edgeRoute("192.168.1.3", "10353"),
		edgeRoute("192.168.1.4", "configured"), edgeRoute("192.168.1.5", ""), edgeRoute("192.168.1.6", "10354"),
		edgeRoute("fd10::1", "10351"), edgeRoute("fd10::2", "10352"), edgeRoute("fd10::5", ""),
		{Node: "odd", Address: "192.168.1.7", Ports: []int32{10666}, Target: "10351"},
	}
	if err := m.SetSlice("a", routes); err != nil {
		t.Fatal(err)
	}
	err := m.SetTargets(&v1alpha1.EdgeRouteTargets{
		Targets: []v1alpha1.EdgeRouteTarget{
			target("10351", 10351, core1, core1v6), target("10352", 10352, core2), target("10353", 10353),
			target("10354", 10354, coreLocal), target("configured", 0, "203.0.113.9:31003"),
		},
		Guard: &v1alpha1.EdgeRouteGuard{Enabled: true, Ports: []int32{10013, 10014}, Addresses: []string{"10.1.0.1", "fd01::1", "10.9.0.1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return trace.Host{Kernel: sent(t, m), Local: addrs("10.9.0.1 fd09::1")}
}

// outcome is a verdict in short: "to X" for a redirection, with "masq" when it lends
// its address, "drop: RULE", "reset: RULE", or "pass".
func outcome(r trace.Result) string {
	switch {
	case r.Action == trace.Accept && r.DNAT.IsValid() && r.Masqueraded:
		return "masq to " + r.DNAT.String()
	case r.Action == trace.Accept && r.DNAT.IsValid():
		return "to " + r.DNAT.String()
	case r.Action == trace.Accept && r.Masqueraded:
		return "masq"
	case r.Action == trace.Accept:
		return "pass"
	}
	comment, _, _ := strings.Cut(r.Rule, " #")
	return string(r.Action) + ": " + comment
}

const (
	host, host6 = "10.9.0.1:40000", "[fd09::1]:40000"
	pod, pod6   = "10.2.0.10:40000", "[fd02::10]:40000"
	outside     = "198.51.100.99:40000"
	own, own6   = "10.1.0.1:10013", "[fd01::1]:10013"
	past        = "drop: to CloudCore past its gate"
	pastHere    = "drop: to this node's CloudCore past its gate"
)

func TestTrace(t *testing.T) {
	h := tracedHost(t)
	cases := []struct{ what, from, in, to, want string }{
		{"log port, from the host", host, "", "192.168.1.1:10350", "masq to " + core1},
		{"metrics port, from the host", host, "", "192.168.1.2:10250", "masq to " + core2},
		{"log port, from a pod", pod, "cni0", "192.168.1.1:10350", "masq to " + core1},
		{"log port, v6, from the host", host6, "", "[fd10::1]:10350", "masq to " + core1v6},
		{"log port, v6, from a pod", pod6, "cni0", "[fd10::1]:10250", "masq to " + core1v6},
		{"tunnel port names the CloudCore", host, "", "192.168.1.1:10352", "masq to " + core2},
		{"tunnel port of a node without a CloudCore", host, "", "192.168.1.5:10351", "masq to " + core1},
		{"tunnel port, v6", host6, "", "[fd10::5]:10351", "masq to " + core1v6},
		{"configured destination", host, "", "192.168.1.4:10250", "masq to 203.0.113.9:31003"},
		{"configured destination, tunnel port", host, "", "192.168.1.4:10351", "masq to " + core1},
		{"CloudCore on this node, from the host", host, "", "192.168.1.6:10250", "to " + coreLocal},
		{"CloudCore on this node, from a pod", pod, "cni0", "192.168.1.6:10250", "to " + coreLocal},
		{"no endpoint", host, "", "192.168.1.3:10250", "reset: ports 10250-10350, no endpoint of 10353"},
		{"no endpoint, from a pod", pod, "cni0", "192.168.1.3:10250", "reset: ports 10250-10350, no endpoint of 10353"},
		{"tunnel port without an endpoint", host, "", "192.168.1.1:10353", "reset: tunnel port, no endpoint of 10353"},
		{"no endpoint in the family", host6, "", "[fd10::2]:10250", "reset: ports 10250-10350, no endpoint of 10352"},
		{"tunnel port without an endpoint in the family", host6, "", "[fd10::1]:10352", "reset: tunnel port, no endpoint of 10352"},
		{"no CloudCore", host, "", "192.168.1.5:10250", "drop: no route"},
		{"no CloudCore, v6, from a pod", pod6, "cni0", "[fd10::5]:10250", "drop: no route"},
		{"a port of another group", host, "", "192.168.1.7:10250", "drop: no route"},
		{"the port of its own group", host, "", "192.168.1.7:10666", "masq to " + core1},
		{"known address, unknown port", host, "", "192.168.1.1:22", "pass"},
		{"known address, unknown port, from a pod", pod, "cni0", "192.168.1.1:22", "pass"},
		{"unknown address, known port", host, "", "192.168.2.1:10250", "pass"},
		{"unknown address, known port, from a pod", pod, "cni0", "192.168.2.1:10250", "pass"},
		{"the gate", pod, "cni0", core1, "pass"},
		{"the gate, v6", pod6, "cni0", core1v6, "pass"},
		{"the gate, from outside", outside, "eth0", core1, "pass"},
		{"another port of CloudCore", pod, "cni0", "10.1.0.1:10002", "pass"},
		{"guard: a pod to CloudCore", pod, "cni0", own, past},
		{"guard: a pod to the tunnel's port", pod, "cni0", "10.1.0.1:10014", past},
		{"guard: a pod to CloudCore, v6", pod6, "cni0", own6, past},
		{"guard: outside to CloudCore", outside, "eth0", own, past},
		{"guard: an edge node's own address", "192.168.1.1:4", "eth0", own, past},
		{"guard: the other cloud node", "10.9.0.2:40000", "eth0", own, past},
		{"guard: the host itself", host, "", own, past},
		{"guard: the host itself, v6", host6, "", own6, past},
		{"guard: those ports elsewhere", pod, "cni0", "10.8.0.1:10013", "pass"},
		{"guard: a pod to CloudCore on this node", pod, "cni0", "10.9.0.1:10013", pastHere},
		{"guard: a pod to its other address", pod6, "cni0", "[fd09::1]:10014", pastHere},
		{"guard: the host to CloudCore on this node", host, "", "10.9.0.1:10013", pastHere},
		{"guard: from outside to the loopback address", outside, "eth0", "127.0.0.1:10013", pastHere},
		{"the gate to CloudCore on this node", "127.0.0.1:40000", "", "127.0.0.1:10013", "pass"},
		{"the gate to CloudCore on this node, v6", "[::1]:40000", "", "[::1]:10014", "pass"},
		{"the gate of this node", outside, "eth0", coreLocal, "pass"},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			p := trace.Packet{From: netip.MustParseAddrPort(c.from), To: netip.MustParseAddrPort(c.to), In: c.in}
			if got := outcome(h.Trace(p)); got != c.want {
				t.Errorf("%s to %s: %s, want %s", c.from, c.to, got, c.want)
			}
			p.UDP = true
			if got := outcome(h.Trace(p)); got != "pass" {
				t.Errorf("UDP from %s to %s: %s, want pass", c.from, c.to, got)
			}
		})
	}
}

// TestTraceOpenConnections follows later packets, which the kernel redirects as it
// did the first, and packets in the reply direction.
func TestTraceOpenConnections(t *testing.T) {
	h := tracedHost(t)
	ap := netip.MustParseAddrPort
	cases := []struct {
		what string
		p    trace.Packet
		want string
	}{
		{"redirected, from the host", trace.Packet{From: ap(host), To: ap("192.168.1.1:10250"),
			Established: true, Dialled: ap("192.168.1.1:10250"), Redirected: ap(core1)}, "pass"},
		{"redirected, from a pod", trace.Packet{From: ap(pod), To: ap("192.168.1.1:10250"), In: "cni0",
			Established: true, Dialled: ap("192.168.1.1:10250"), Redirected: ap(core1)}, "pass"},
		{"open before the guard was", trace.Packet{From: ap(pod), To: ap(own), In: "cni0", Established: true, Dialled: ap(own)}, past},
		{"open before the guard was, through a Service", trace.Packet{From: ap(pod), To: ap("10.96.0.9:80"), In: "cni0",
			Established: true, Dialled: ap("10.96.0.9:80"), Redirected: ap(own)}, past},
		{"open before there was a route", trace.Packet{From: ap(host), To: ap("192.168.1.1:10250"),
			Established: true, Dialled: ap("192.168.1.1:10250")}, "drop: no route"},
		{"CloudCore's answer to a pod", trace.Packet{From: ap(core1), To: ap(pod), In: "eth0",
			Established: true, Reply: true, Dialled: ap("192.168.1.1:10250"), Redirected: ap(core1)}, "pass"},
		{"answer to the edge node's own connection from that port", trace.Packet{From: ap(host), To: ap("192.168.1.1:10250"),
			Established: true, Reply: true, Dialled: ap("10.9.0.1:443")}, "pass"},
		{"forwarded answer to the edge node", trace.Packet{From: ap(pod), To: ap("192.168.1.1:10350"), In: "cni0",
			Established: true, Reply: true, Dialled: ap("10.2.0.10:80")}, "pass"},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			if got := outcome(h.Trace(c.p)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestTraceCounts(t *testing.T) {
	h := tracedHost(t)
	ap := netip.MustParseAddrPort
	for _, p := range []trace.Packet{
		{From: ap(pod), To: ap(own), In: "cni0"}, {From: ap(pod6), To: ap(own6), In: "cni0"},
		{From: ap(outside), To: ap("10.9.0.1:10013"), In: "eth0"},
		{From: ap(host), To: ap("192.168.1.3:10250")}, {From: ap(host), To: ap("192.168.1.5:10250")}, {From: ap(host), To: ap("192.168.1.1:10250")},
	} {
		h.Trace(p)
	}
	for name, want := range map[string]int{counterGuarded: 3, counterRejected: 1, counterUnrouted: 1} {
		if got := h.Kernel.Counters[name]; got != want {
			t.Errorf("counter %s is %d, want %d", name, got, want)
		}
	}
}
