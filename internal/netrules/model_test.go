package netrules

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

var compareNetip = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

func edge(address, target string, ports ...int32) v1alpha1.EdgeRoute {
	return v1alpha1.EdgeRoute{Node: "n", Address: address, Ports: ports, Target: target}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPlanOfTwoSlices(t *testing.T) {
	m := NewModel()
	must(t, m.SetSlice("a", []v1alpha1.EdgeRoute{edge("10.0.0.1", "10351", 10350, 10250), edge("fd00::1", "10352", 10250, 10350)}))
	must(t, m.SetSlice("b", []v1alpha1.EdgeRoute{edge("10.0.0.2", "", 10250)}))
	must(t, m.SetTargets(&v1alpha1.EdgeRouteTargets{Targets: []v1alpha1.EdgeRouteTarget{
		{ID: "10352", TunnelPort: 10352},
		{ID: "10351", TunnelPort: 10351, Endpoints: []v1alpha1.EdgeRouteEndpoint{
			{Address: "10.1.0.1", Port: 10003}, {Address: "fd01::1", Port: 10003}}},
	}}))
	p := m.Plan()
	want := Rules{
		Groups: []Group{
			{Key: Key{"10250", ""}, V4: true},
			{Key: Key{"10250-10350", "10351"}, V4: true},
			{Key: Key{"10250-10350", "10352"}, V6: true},
		},
		Targets: []Target{
			{ID: "10351", TunnelPort: 10351, V4: netip.MustParseAddrPort("10.1.0.1:10003"), V6: netip.MustParseAddrPort("[fd01::1]:10003")},
			{ID: "10352", TunnelPort: 10352},
		},
	}
	if diff := cmp.Diff(want, p.Rules, compareNetip); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint16{10250, 10350, 10351, 10352}, p.Rules.KnownPorts()); diff != "" {
		t.Errorf("known ports (-want +got):\n%s", diff)
	}
	if p.Count != 3 || len(p.Moves) != 3 {
		t.Errorf("plan has %d members and %d moves, want 3 of each", p.Count, len(p.Moves))
	}
}

func TestMovesAreWhatTheKernelLacks(t *testing.T) {
	m := NewModel()
	must(t, m.SetSlice("a", []v1alpha1.EdgeRoute{edge("10.0.0.1", "1", 10250), edge("10.0.0.2", "1", 10250)}))
	m.Commit()
	version := m.Plan().RulesVersion
	must(t, m.SetSlice("a", []v1alpha1.EdgeRoute{edge("10.0.0.1", "2", 10250), edge("10.0.0.2", "1", 10250)}))
	must(t, m.SetSlice("a", []v1alpha1.EdgeRoute{edge("10.0.0.1", "1", 10250), edge("10.0.0.3", "1", 10250)}))
	key := Key{"10250", "1"}
	want := []Move{
		{Addr: netip.MustParseAddr("10.0.0.2"), From: &key},
		{Addr: netip.MustParseAddr("10.0.0.3"), To: &key},
	}
	if diff := cmp.Diff(want, m.Plan().Moves, compareNetip, cmpopts.SortSlices(func(a, b Move) bool { return a.Addr.Less(b.Addr) })); diff != "" {
		t.Errorf("moves (-want +got):\n%s", diff)
	}
	m.Commit()
	must(t, m.SetSlice("a", []v1alpha1.EdgeRoute{edge("10.0.0.1", "1", 10250), edge("10.0.0.4", "1", 10250)}))
	before := m.Plan().RulesVersion
	if before == version {
		t.Error("rules version did not change when a target gained its first member")
	}
	must(t, m.SetSlice("a", []v1alpha1.EdgeRoute{edge("10.0.0.1", "1", 10250)}))
	if got := m.Plan().RulesVersion; got != before {
		t.Errorf("rules version went from %d to %d although only a member left", before, got)
	}
}

// TestAnySequenceEndsAsAFreshStart checks that what a Model says depends on the
// objects that there are, never on how they came to be.
func TestAnySequenceEndsAsAFreshStart(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		m, objects := NewModel(), map[string][]v1alpha1.EdgeRoute{}
		kernel := map[netip.Addr]Key{}
		for range 40 {
			name := fmt.Sprintf("s%d", r.IntN(4))
			if r.IntN(5) == 0 {
				delete(objects, name)
				m.DeleteSlice(name)
			} else {
				objects[name] = randomRoutes(r)
				must(t, m.SetSlice(name, objects[name]))
			}
			if r.IntN(3) == 0 {
				follow(t, kernel, m)
			}
		}
		follow(t, kernel, m)
		fresh := NewModel()
		for name, routes := range objects {
			must(t, fresh.SetSlice(name, routes))
		}
		if diff := cmp.Diff(fresh.Plan().Rules, m.Plan().Rules, compareNetip); diff != "" {
			t.Fatalf("seed %d: rules (-fresh +grown):\n%s", seed, diff)
		}
		if diff := cmp.Diff(maps.Collect(fresh.Plan().Members), kernel, compareNetip); diff != "" {
			t.Fatalf("seed %d: members (-fresh +kernel):\n%s", seed, diff)
		}
	}
}

func randomRoutes(r *rand.Rand) []v1alpha1.EdgeRoute {
	var routes []v1alpha1.EdgeRoute
	for n := range 6 {
		if r.IntN(2) == 0 {
			address := []string{fmt.Sprintf("10.0.0.%d", n), fmt.Sprintf("fd00::%d", n)}[r.IntN(2)]
			routes = append(routes, edge(address, []string{"", "1", "2"}[r.IntN(3)], 10250))
		}
	}
	return routes
}

// follow changes a kernel by a plan's moves alone and fails when a move does not
// start from what the kernel holds.
func follow(t *testing.T, kernel map[netip.Addr]Key, m *Model) {
	t.Helper()
	for _, move := range m.Plan().Moves {
		held, ok := kernel[move.Addr]
		if ok != (move.From != nil) || ok && held != *move.From {
			t.Fatalf("move %+v, but the kernel holds %v (%v)", move, held, ok)
		}
		delete(kernel, move.Addr)
		if move.To != nil {
			kernel[move.Addr] = *move.To
		}
	}
	m.Commit()
}

func TestUnusableObjectsAreNamed(t *testing.T) {
	m := NewModel()
	err := m.SetSlice("a", []v1alpha1.EdgeRoute{edge("10.0.0.1;drop", "1", 1), edge("10.0.0.2", "1", 70000),
		edge("10.0.0.3", "1", 1), edge("10.0.0.4", "1"), edge("10.0.0.5", "1", 0)})
	for _, part := range []string{`"10.0.0.1;drop"`, "70000", "ports has 0", "slice a"} {
		if err == nil || !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), part) {
			t.Errorf("error is %v, want one that names %s", err, part)
		}
	}
	if got := m.Len(); got != 2 {
		t.Errorf("%d routes are usable, want 2", got)
	}
	err = m.SetTargets(&v1alpha1.EdgeRouteTargets{
		Targets: []v1alpha1.EdgeRouteTarget{{ID: "1", Endpoints: []v1alpha1.EdgeRouteEndpoint{{Address: "0.0.0.0", Port: 1}}}},
		Guard:   &v1alpha1.EdgeRouteGuard{Enabled: true, Addresses: []string{"10.0.0.0/33", "10.1.0.1"}, Ports: []int32{10013}},
	})
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "10.0.0.0/33") || !strings.Contains(err.Error(), "0.0.0.0") {
		t.Errorf("error is %v, want one that names both values", err)
	}
}

// TestAnAddressTwiceInASlice: the API does not refuse that, and the last one counts.
func TestAnAddressTwiceInASlice(t *testing.T) {
	m := NewModel()
	if err := m.SetTargets(&v1alpha1.EdgeRouteTargets{Targets: []v1alpha1.EdgeRouteTarget{
		{ID: "10351", TunnelPort: 10351, Endpoints: []v1alpha1.EdgeRouteEndpoint{{Address: "10.1.0.1", Port: 10003}}},
		{ID: "10352", TunnelPort: 10352, Endpoints: []v1alpha1.EdgeRouteEndpoint{{Address: "10.1.0.2", Port: 10003}}},
	}}); err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr("192.168.1.1")
	set := func(targets ...string) {
		t.Helper()
		var routes []v1alpha1.EdgeRoute
		for _, target := range targets {
			routes = append(routes, v1alpha1.EdgeRoute{Node: "e", Address: addr.String(), Ports: []int32{10250}, Target: target})
		}
		if err := m.SetSlice("s", routes); err != nil {
			t.Fatal(err)
		}
	}
	for _, targets := range [][]string{{"10351", "10352"}, {"10352"}, {"10351", "10351", "10352"}} {
		set(targets...)
		if to, ok := m.Expect(addr, 10250); !ok || to.Addr().String() != "10.1.0.2" {
			t.Errorf("with targets %v the address leads to %v (%v), want the last one's CloudCore", targets, to, ok)
		}
	}
	set()
	if _, ok := m.Expect(addr, 10250); ok {
		t.Error("the address is still routed")
	}
}

func TestExpect(t *testing.T) {
	m := NewModel()
	must(t, m.SetSlice("a", []v1alpha1.EdgeRoute{edge("10.0.0.1", "1", 10250), edge("10.0.0.2", "", 10250)}))
	must(t, m.SetTargets(&v1alpha1.EdgeRouteTargets{Targets: []v1alpha1.EdgeRouteTarget{
		{ID: "1", TunnelPort: 1, Endpoints: []v1alpha1.EdgeRouteEndpoint{{Address: "10.1.0.1", Port: 10003}}},
		{ID: "2", TunnelPort: 2},
	}}))
	endpoint := netip.MustParseAddrPort("10.1.0.1:10003")
	cases := []struct {
		to   string
		want netip.AddrPort
		ours bool
	}{
		{"10.0.0.1:10250", endpoint, true},
		{"10.0.0.2:1", endpoint, true},
		{"10.0.0.2:10250", netip.AddrPort{}, true},
		{"10.0.0.1:2", netip.AddrPort{}, true},
		{"10.0.0.1:80", netip.AddrPort{}, false},
		{"10.0.0.9:10250", netip.AddrPort{}, false},
	}
	for _, c := range cases {
		to := netip.MustParseAddrPort(c.to)
		if got, ours := m.Expect(to.Addr(), to.Port()); got != c.want || ours != c.ours {
			t.Errorf("Expect(%s) = %v, %v; want %v, %v", c.to, got, ours, c.want, c.ours)
		}
	}
}

func TestGuardFacts(t *testing.T) {
	m := NewModel()
	m.SetLocal([]netip.Addr{netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("fd09::1")})
	targets := &v1alpha1.EdgeRouteTargets{Guard: &v1alpha1.EdgeRouteGuard{Enabled: true,
		Addresses: []string{"10.9.0.1", "10.1.0.1", "fd01::1"}, Ports: []int32{10014, 10013}}}
	must(t, m.SetTargets(targets))
	ap := netip.MustParseAddrPort
	want := Guard{
		Enabled: true,
		Core: []netip.AddrPort{ap("10.1.0.1:10013"), ap("10.1.0.1:10014"), ap("10.9.0.1:10013"), ap("10.9.0.1:10014"),
			ap("[fd01::1]:10013"), ap("[fd01::1]:10014")},
		LocalPorts: []uint16{10013, 10014},
	}
	if diff := cmp.Diff(want, m.Plan().Rules.Guard, compareNetip); diff != "" {
		t.Errorf("guard (-want +got):\n%s", diff)
	}
	m.SetLocal([]netip.Addr{netip.MustParseAddr("10.9.0.2")})
	if got := m.Plan().Rules.Guard.LocalPorts; len(got) != 0 {
		t.Errorf("local ports are %v, want none: no CloudCore is on this node's network", got)
	}
	targets.Guard.Enabled = false
	must(t, m.SetTargets(targets))
	if got := m.Plan().Rules.Guard; got.Enabled || len(got.Core) != 0 {
		t.Errorf("guard is %+v, want it off", got)
	}
}
