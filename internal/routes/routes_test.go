package routes

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

var settings = Settings{LogPort: 10350, MetricsPort: 10250, StreamPort: 10003}

func edge(name, addr string, port int32) Node {
	return Node{Name: name, UID: "uid-" + name, Created: epoch, Edge: true, Addresses: []string{addr}, KubeletPort: port}
}

func cloud(name string, addrs ...string) Node {
	return Node{Name: name, UID: "uid-" + name, Created: epoch, Addresses: addrs, KubeletPort: 10250}
}

func core(pod, node string, addrs ...string) CloudCore {
	c := CloudCore{Pod: pod, NodeName: node}
	for _, addr := range addrs {
		c.Addresses = append(c.Addresses, netip.MustParseAddr(addr))
	}
	return c
}

func record(t *testing.T, text string) Record {
	t.Helper()
	r, err := ParseRecord(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// one cluster with one CloudCore at 10.1.0.5, recorded as 10351.
func oneCore(t *testing.T, nodes ...Node) Input {
	t.Helper()
	return Input{
		Nodes:      nodes,
		CloudCores: []CloudCore{core("kubeedge/cloudcore-a", "cp", "10.1.0.5")},
		Record:     record(t, `{"ipTunnelPort":{"10.1.0.5":10351},"port":{"10351":true}}`),
		Settings:   settings,
	}
}

// haCores has CloudCores 10351 and 10352.
func haCores(t *testing.T, nodes ...Node) Input {
	in := oneCore(t, nodes...)
	in.CloudCores = append(in.CloudCores, core("kubeedge/cloudcore-b", "cp2", "10.1.1.5"))
	in.Record = record(t, `{"ipTunnelPort":{"10.1.0.5":10351,"10.1.1.5":10352},"port":{"10351":true,"10352":true}}`)
	return in
}

// routeLines renders routes as "node address->target".
func routeLines(plan Plan) []string {
	lines := []string{}
	for _, node := range plan.Routes {
		for _, r := range node.Routes {
			lines = append(lines, fmt.Sprintf("%s %s->%s", r.Node, r.Address, r.Target))
		}
	}
	return lines
}

// targetLines renders targets as "id[endpoint ...]".
func targetLines(plan Plan) []string {
	lines := []string{}
	for _, t := range plan.Targets {
		var endpoints []string
		for _, e := range t.Endpoints {
			endpoints = append(endpoints, netip.AddrPortFrom(netip.MustParseAddr(e.Address), uint16(e.Port)).String())
		}
		lines = append(lines, t.ID+"["+strings.Join(endpoints, " ")+"]")
	}
	return lines
}

func reasons(plan Plan) map[string]Reason {
	out := map[string]Reason{}
	for node, finding := range plan.Findings {
		out[node] = finding.Reason
	}
	return out
}

func TestComputeRoute(t *testing.T) {
	got := Compute(oneCore(t, edge("e1", "192.168.100.1", 10351)))
	want := []NodeRoutes{{Node: "e1", Routes: []v1alpha1.EdgeRoute{
		{Node: "e1", Address: "192.168.100.1", Ports: []int32{10250, 10350}, Target: "10351"},
	}}}
	if diff := cmp.Diff(want, got.Routes); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	targets := []v1alpha1.EdgeRouteTarget{{ID: "10351", TunnelPort: 10351,
		Endpoints: []v1alpha1.EdgeRouteEndpoint{{Address: "10.1.0.5", Port: 10003}}}}
	if diff := cmp.Diff(targets, got.Targets); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
	finding := got.Findings["e1"]
	if !finding.Works || finding.Reason != ReasonRouted {
		t.Errorf("finding is %+v, want one that works", finding)
	}
}

func TestEqualPortsAreOne(t *testing.T) {
	in := oneCore(t, edge("e1", "192.168.100.1", 10351))
	in.Settings.MetricsPort = in.Settings.LogPort
	if got := Compute(in).Routes[0].Routes[0].Ports; !cmp.Equal(got, []int32{10350}) {
		t.Errorf("ports are %v, want [10350]: the API takes a set", got)
	}
}

func TestTargets(t *testing.T) {
	const e1, e2 = "192.168.100.1", "192.168.100.2"
	tests := []struct {
		name    string
		input   func(t *testing.T) Input
		targets []string
		routes  []string
		reasons map[string]Reason
	}{{
		name:    "a node's port chooses the CloudCore",
		input:   func(t *testing.T) Input { return haCores(t, edge("a", e1, 10351), edge("b", e2, 10352)) },
		targets: []string{"10351[10.1.0.5:10003]", "10352[10.1.1.5:10003]"},
		routes:  []string{"a 192.168.100.1->10351", "b 192.168.100.2->10352"},
		reasons: map[string]Reason{"a": ReasonRouted, "b": ReasonRouted},
	}, {
		name:    "a node without a tunnel goes to the lowest CloudCore",
		input:   func(t *testing.T) Input { return haCores(t, edge("a", e1, 10350)) },
		targets: []string{"10351[10.1.0.5:10003]", "10352[10.1.1.5:10003]"},
		routes:  []string{"a 192.168.100.1->10351"},
		reasons: map[string]Reason{"a": ReasonRouted},
	}, {
		name: "a node without a tunnel goes to the lowest CloudCore that has an endpoint",
		input: func(t *testing.T) Input {
			in := haCores(t, edge("a", e1, 10350), edge("b", e2, 10351))
			in.CloudCores = in.CloudCores[1:]
			return in
		},
		targets: []string{"10351[]", "10352[10.1.1.5:10003]"},
		routes:  []string{"a 192.168.100.1->10352", "b 192.168.100.2->10351"},
		reasons: map[string]Reason{"a": ReasonRouted, "b": ReasonNoEndpoint},
	}, {
		name: "no CloudCore runs: the route is kept",
		input: func(t *testing.T) Input {
			in := oneCore(t, edge("a", e1, 10350))
			in.CloudCores = nil
			return in
		},
		targets: []string{"10351[]"},
		routes:  []string{"a 192.168.100.1->10351"},
		reasons: map[string]Reason{"a": ReasonNoEndpoint},
	}, {
		name: "no CloudCore was recorded: the route is kept without a target",
		input: func(t *testing.T) Input {
			in := oneCore(t, edge("a", e1, 10350))
			in.Record = record(t, "")
			return in
		},
		targets: []string{},
		routes:  []string{"a 192.168.100.1->"},
		reasons: map[string]Reason{"a": ReasonNoCloudCore},
	}, {
		name: "a pod with a new address and port; one node has not followed yet",
		input: func(t *testing.T) Input {
			in := oneCore(t, edge("a", e1, 10351), edge("b", e2, 10352))
			in.CloudCores = []CloudCore{core("kubeedge/cloudcore-b", "cp", "10.1.0.9")}
			in.Record = record(t, `{"ipTunnelPort":{"10.1.0.5":10351,"10.1.0.9":10352},"port":{"10351":true,"10352":true}}`)
			return in
		},
		targets: []string{"10351[]", "10352[10.1.0.9:10003]"},
		routes:  []string{"a 192.168.100.1->10351", "b 192.168.100.2->10352"},
		reasons: map[string]Reason{"a": ReasonNoEndpoint, "b": ReasonRouted},
	}, {
		name: "a port that nobody has any more is no target",
		input: func(t *testing.T) Input {
			in := oneCore(t, edge("a", e1, 10351))
			in.Record = record(t, `{"ipTunnelPort":{"10.1.0.5":10351,"10.1.0.4":10355},"port":{"10351":true,"10352":true,"10355":true}}`)
			return in
		},
		targets: []string{"10351[10.1.0.5:10003]"},
		routes:  []string{"a 192.168.100.1->10351"},
		reasons: map[string]Reason{"a": ReasonRouted},
	}, {
		name: "a port without an address is kept while a node has it",
		input: func(t *testing.T) Input {
			in := oneCore(t, edge("a", e1, 10352))
			in.Record = record(t, `{"ipTunnelPort":{"10.1.0.5":10351},"port":{"10351":true,"10352":true}}`)
			return in
		},
		targets: []string{"10351[10.1.0.5:10003]", "10352[]"},
		routes:  []string{"a 192.168.100.1->10352"},
		reasons: map[string]Reason{"a": ReasonNoEndpoint},
	}, {
		name: "the recorded address is another address of the host whose network CloudCore uses",
		input: func(t *testing.T) Input {
			in := oneCore(t, edge("a", e1, 10351), cloud("cp", "198.18.0.2", "203.0.113.2"))
			in.CloudCores = []CloudCore{core("kubeedge/cloudcore-a", "cp", "198.18.0.2")}
			in.Record = record(t, `{"ipTunnelPort":{"203.0.113.2":10351}}`)
			return in
		},
		targets: []string{"10351[198.18.0.2:10003]"},
		routes:  []string{"a 192.168.100.1->10351"},
		reasons: map[string]Reason{"a": ReasonRouted},
	}, {
		name: "a recorded host address says nothing of a pod on the pod network",
		input: func(t *testing.T) Input {
			in := oneCore(t, edge("a", e1, 10351), cloud("cp", "203.0.113.2"))
			in.Record = record(t, `{"ipTunnelPort":{"203.0.113.2":10351}}`)
			return in
		},
		targets: []string{"10351[]"},
		routes:  []string{"a 192.168.100.1->10351"},
		reasons: map[string]Reason{"a": ReasonRecordedAddressUnmatched},
	}, {
		name: "configured destination",
		input: func(t *testing.T) Input {
			in := haCores(t, edge("a", e1, 10352))
			in.Settings.Destination = netip.MustParseAddrPort("203.0.113.9:31003")
			return in
		},
		targets: []string{"10351[10.1.0.5:10003]", "10352[10.1.1.5:10003]", "configured[203.0.113.9:31003]"},
		routes:  []string{"a 192.168.100.1->configured"},
		reasons: map[string]Reason{"a": ReasonRouted},
	}, {
		name:    "IPv6 node, IPv4 CloudCore",
		input:   func(t *testing.T) Input { return oneCore(t, edge("a", "2001:db8::1", 10351)) },
		targets: []string{"10351[10.1.0.5:10003]"},
		routes:  []string{"a 2001:db8::1->10351"},
		reasons: map[string]Reason{"a": ReasonNoEndpointInFamily},
	}, {
		name: "IPv6 node, dual-stack CloudCore",
		input: func(t *testing.T) Input {
			in := oneCore(t, edge("a", "2001:db8::1", 10351))
			in.CloudCores = []CloudCore{core("kubeedge/cloudcore-a", "cp", "2001:db8:1::5", "10.1.0.5")}
			return in
		},
		targets: []string{"10351[10.1.0.5:10003 [2001:db8:1::5]:10003]"},
		routes:  []string{"a 2001:db8::1->10351"},
		reasons: map[string]Reason{"a": ReasonRouted},
	}, {
		name: "a tunnel port that is the log port is not taken",
		input: func(t *testing.T) Input {
			in := oneCore(t, edge("a", e1, 10350))
			in.Record = record(t, `{"ipTunnelPort":{"10.1.0.5":10350}}`)
			return in
		},
		targets: []string{},
		routes:  []string{"a 192.168.100.1->"},
		reasons: map[string]Reason{"a": ReasonNoCloudCore},
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			plan := Compute(test.input(t))
			if diff := cmp.Diff(test.targets, targetLines(plan)); diff != "" {
				t.Errorf("targets (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.routes, routeLines(plan)); diff != "" {
				t.Errorf("routes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.reasons, reasons(plan)); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusedAddresses(t *testing.T) {
	tests := []struct {
		addr string
		want Reason
	}{
		{"192.168.100.1", ReasonRouted},
		{"0.0.0.0", ReasonAddressUnspecified},
		{"::", ReasonAddressUnspecified},
		{"127.0.0.1", ReasonAddressLoopback},
		{"127.255.0.9", ReasonAddressLoopback},
		{"::1", ReasonAddressLoopback},
		{"::ffff:127.0.0.1", ReasonAddressLoopback},
		{"169.254.169.254", ReasonAddressLinkLocal},
		{"fe80::1", ReasonAddressLinkLocal},
		{"224.0.0.1", ReasonAddressMulticast},
		{"ff02::1", ReasonAddressMulticast},
		{"255.255.255.255", ReasonAddressMulticast},
		{"10.1.0.5", ReasonAddressOfCloudCore},
		{"198.18.0.2", ReasonAddressOfCloudNode},
		{"::ffff:198.18.0.2", ReasonAddressOfCloudNode},
		{"203.0.113.2", ReasonAddressOfCloudNode},
		{"10.96.0.1", ReasonAddressInServiceCIDR},
		{"fd00:96::a", ReasonAddressInServiceCIDR},
		{"10.1.0.77", ReasonAddressInPodCIDR},
		{"10.1.7.3", ReasonAddressInPodCIDR},
		{"10.1.8.3", ReasonRouted},
		{"fd00:1::7", ReasonAddressInPodCIDR},
		{"", ReasonAddressInvalid},
		{"edge.example", ReasonAddressInvalid},
		{"fe80::1%eth0", ReasonAddressInvalid},
		{"192.168.100.1; flush ruleset", ReasonAddressInvalid},
	}
	for _, test := range tests {
		t.Run(test.addr, func(t *testing.T) {
			cp := cloud("cp", "198.18.0.2", "203.0.113.2")
			cp.PodCIDRs = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("fd00:1::/64")}
			other := edge("other", "192.168.100.9", 10351)
			other.PodCIDRs = []netip.Prefix{netip.MustParsePrefix("10.1.7.0/24")}
			in := oneCore(t, cp, other, edge("e", test.addr, 10351))
			in.ServiceCIDRs = []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12"), netip.MustParsePrefix("fd00:96::/108")}
			plan := Compute(in)
			if got := plan.Findings["e"].Reason; got != test.want {
				t.Errorf("reason is %s, want %s", got, test.want)
			}
			if routed := strings.Contains(strings.Join(routeLines(plan), "\n"), "e "); routed != (test.want == ReasonRouted) {
				t.Errorf("routed is %v with reason %s", routed, test.want)
			}
		})
	}
}

func TestNoAddress(t *testing.T) {
	node := edge("e", "", 10351)
	node.Addresses = nil
	plan := Compute(oneCore(t, node))
	if got := plan.Findings["e"].Reason; got != ReasonNoAddress || len(plan.Routes) != 0 {
		t.Errorf("reason %s with routes %v, want NoAddress and none", got, plan.Routes)
	}
}

func TestHolder(t *testing.T) {
	const addr = "192.168.100.1"
	at := func(n Node, seconds int, uid string) Node {
		n.Created, n.UID = epoch.Add(time.Duration(seconds)*time.Second), uid
		return n
	}
	tests := []struct {
		name     string
		nodes    []Node
		reserved string
		holder   string
		retired  string
	}{
		{"the oldest", []Node{at(edge("a", addr, 1), 5, "1"), at(edge("b", addr, 1), 2, "2"), at(edge("c", addr, 1), 3, "3")}, "", "b", ""},
		{"the lowest UID of equal age", []Node{at(edge("a", addr, 1), 5, "9"), at(edge("b", addr, 1), 5, "4")}, "", "b", ""},
		{"the reservation beats age", []Node{at(edge("a", addr, 1), 1, "1"), at(edge("b", addr, 1), 9, "2")}, "b", "b", ""},
		{"a reservation for an absent node decides nothing", []Node{at(edge("a", addr, 1), 1, "1"), at(edge("b", addr, 1), 9, "2")}, "z", "a", ""},
		{"a cloud node beats all", []Node{at(edge("a", addr, 1), 1, "1"), at(edge("b", addr, 1), 2, "2"), at(cloud("cp", addr), 9, "3")}, "a", "", ""},
		{"a retired device comes last", []Node{at(edge("a", addr, 1), 1, "1"), at(edge("b", addr, 1), 9, "2")}, "", "b", "a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := oneCore(t, test.nodes...)
			if test.reserved != "" {
				in.Reservations = map[netip.Addr]string{netip.MustParseAddr(addr): test.reserved}
			}
			in.Retired = map[string]bool{test.retired: true}
			plan := Compute(in)
			want := map[string]Reason{}
			for _, node := range test.nodes {
				switch {
				case !node.Edge:
				case test.holder == "":
					want[node.Name] = ReasonAddressOfCloudNode
				case node.Name == test.holder:
					want[node.Name] = ReasonAddressShared
				default:
					want[node.Name] = ReasonAddressConflict
				}
			}
			if diff := cmp.Diff(want, reasons(plan)); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
			holder := ""
			for _, node := range plan.Routes {
				holder += node.Node
			}
			if holder != test.holder {
				t.Errorf("holder is %q, want %q", holder, test.holder)
			}
		})
	}
}

func TestSharedAddressNamesAFewOthers(t *testing.T) {
	var nodes []Node
	for i := range 500 {
		nodes = append(nodes, edge(fmt.Sprintf("edge-%03d", i), "192.168.100.1", 10351))
	}
	message := Compute(oneCore(t, nodes...)).Findings["edge-000"].Message
	if !strings.Contains(message, "edge-001, edge-002, edge-003 and 496 more") || len(message) > 400 {
		t.Errorf("message is %q", message)
	}
}

// A node may report many addresses; only the first of each family is dialled by
// anybody, and it may not draw more into the tunnel.
func TestFirstAddressOfEachFamily(t *testing.T) {
	node := edge("e", "192.168.100.1", 10351)
	node.Addresses = []string{"192.168.100.1", "192.168.100.2", "2001:db8::1", "2001:db8::2"}
	plan := Compute(oneCore(t, node))
	want := []string{"e 192.168.100.1->10351", "e 2001:db8::1->10351"}
	if diff := cmp.Diff(want, routeLines(plan)); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	finding := plan.Findings["e"]
	if finding.Reason != ReasonRouted || !strings.Contains(finding.Message, "IP family of 2001:db8::1") {
		t.Errorf("finding is %+v, want Routed with a word on the IPv6 address", finding)
	}
}

func TestNotes(t *testing.T) {
	in := oneCore(t, cloud("cp", "198.18.0.2"))
	in.Settings.Destination = netip.MustParseAddrPort("198.18.0.2:31003")
	notes := Compute(in).Notes
	if len(notes) != 1 || notes[0].Reason != NoteDestinationIsCloudNode {
		t.Errorf("notes are %v, want DestinationIsCloudNode", notes)
	}
	in.Settings.Destination = netip.MustParseAddrPort("198.18.0.9:31003")
	if notes := Compute(in).Notes; len(notes) != 0 {
		t.Errorf("notes are %v, want none", notes)
	}
}

func TestTargetsAreBounded(t *testing.T) {
	in := oneCore(t)
	for port := int32(20000); port < 21000; port++ {
		in.Record.Ports[port] = true
		in.Nodes = append(in.Nodes, edge(fmt.Sprint("e", port), fmt.Sprintf("192.168.%d.%d", port/200, port%200+1), port))
	}
	plan := Compute(in)
	if len(plan.Targets) > maxTargets || len(plan.Notes) != 1 || plan.Notes[0].Reason != NoteTooManyTargets {
		t.Errorf("%d targets, notes %v", len(plan.Targets), plan.Notes)
	}
	if got := plan.Targets[0].ID; got != "10351" {
		t.Errorf("the running CloudCore is missing; first is %s", got)
	}
}
