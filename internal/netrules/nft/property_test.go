package nft

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/nft/trace"
)

// world is a random set of route objects in plain form, from which the
// specification below decides about packets without looking at model or rules.
type world struct {
	r       *rand.Rand
	routes  []v1alpha1.EdgeRoute
	targets []v1alpha1.EdgeRouteTarget
	guard   *v1alpha1.EdgeRouteGuard
	local   []netip.Addr
}

func pickOf[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

var (
	worldEdges   = addrs("192.168.1.1 192.168.1.2 192.168.1.3 192.168.1.4 fd10::1 fd10::2 fd10::3")
	worldCores   = addrs("10.1.0.1 10.1.0.2 10.9.0.1 fd01::1 fd01::2 fd09::1")
	worldSources = addrs("10.2.0.1 10.2.0.9 10.3.255.255 10.9.0.2 198.51.100.1 192.168.1.1 fd02::1 fd02::9 fd09::2 fd10::1 2001:db8::1")
	worldService = addrs("10.96.0.10 198.51.100.4 fd96::10")
	worldPorts   = []int32{22, 10003, 10013, 10014, 10250, 10350, 10351, 10352, 10353, 10666, 31003}
)

func newWorld(seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 3))
	w := &world{r: r, local: addrs("10.9.0.1 fd09::1")}
	for _, addr := range worldEdges {
		if r.IntN(4) > 0 {
			w.routes = append(w.routes, v1alpha1.EdgeRoute{
				Node: addr.String(), Address: addr.String(), Target: pickOf(r, []string{"", "10351", "10352", "configured", "10399"}),
				Ports: pickOf(r, [][]int32{{10350, 10250}, {10250}, {10666, 10250}, {10351}, nil}),
			})
		}
	}
	for _, id := range []string{"10351", "10352", "configured"} {
		t := v1alpha1.EdgeRouteTarget{ID: id}
		if id != "configured" {
			t.TunnelPort = map[string]int32{"10351": 10351, "10352": 10352}[id]
		}
		for _, v6 := range []bool{false, true} {
			if addr := pickOf(r, worldCores); addr.Is6() == v6 && r.IntN(3) > 0 {
				t.Endpoints = append(t.Endpoints, v1alpha1.EdgeRouteEndpoint{Address: addr.String(), Port: pickOf(r, []int32{10003, 31003})})
			}
		}
		if r.IntN(4) > 0 {
			w.targets = append(w.targets, t)
		}
	}
	if r.IntN(5) > 0 {
		w.guard = &v1alpha1.EdgeRouteGuard{Enabled: r.IntN(6) > 0, Ports: pickOf(r, [][]int32{nil, {10013}, {10013, 10014}})}
		for _, addr := range worldCores {
			if r.IntN(2) == 0 {
				w.guard.Addresses = append(w.guard.Addresses, addr.String())
			}
		}
	}
	return w
}

func (w *world) model(t *testing.T) *netrules.Model {
	t.Helper()
	m := netrules.NewModel()
	if err := m.SetSlice("a", w.routes); err != nil {
		t.Fatal(err)
	}
	if err := m.SetTargets(&v1alpha1.EdgeRouteTargets{Targets: w.targets, Guard: w.guard}); err != nil {
		t.Fatal(err)
	}
	m.SetLocal(w.local)
	return m
}

// packet is a random new connection of one family.
func (w *world) packet() trace.Packet {
	to := pickOf(w.r, slices.Concat(worldEdges, worldEdges, worldCores, worldService))
	p := trace.Packet{To: netip.AddrPortFrom(to, uint16(pickOf(w.r, worldPorts)))}
	if w.r.IntN(3) > 0 {
		p.In = pickOf(w.r, []string{"eth0", "cni0"})
		for !p.From.IsValid() || p.From.Addr().Is6() != to.Is6() {
			p.From = netip.AddrPortFrom(pickOf(w.r, worldSources), 40000)
		}
		return p
	}
	p.From = netip.AddrPortFrom(w.local[0], 40000)
	if to.Is6() {
		p.From = netip.AddrPortFrom(w.local[1], 40000)
	}
	return p
}

// guarded is the specification of the guard: whoever sends to one of the ports of a
// CloudCore, by any address of the node if CloudCore is on it.
func (w *world) guarded(p trace.Packet) bool {
	if w.guard == nil || !w.guard.Enabled || !slices.Contains(w.guard.Ports, int32(p.To.Port())) {
		return false
	}
	here := slices.ContainsFunc(w.local, func(a netip.Addr) bool { return slices.Contains(w.guard.Addresses, a.String()) })
	return slices.Contains(w.guard.Addresses, p.To.Addr().String()) || here && slices.Contains(w.local, p.To.Addr())
}

// edgePort tells whether the destination is a routed address and a port that means
// something on any of them, and, should nothing redirect it, whether a CloudCore is
// named but has no endpoint.
func (w *world) edgePort(to netip.AddrPort) (known, named bool) {
	i := slices.IndexFunc(w.routes, func(r v1alpha1.EdgeRoute) bool { return r.Address == to.Addr().String() })
	if i < 0 {
		return false, false
	}
	port := int32(to.Port())
	for _, r := range w.routes {
		known = known || slices.Contains(r.Ports, port)
	}
	named = slices.Contains(w.routes[i].Ports, port) && w.routes[i].Target != ""
	for _, t := range w.targets {
		known = known || t.TunnelPort == port
		named = named || t.TunnelPort == port
	}
	return known, named
}

// want is what should become of a packet: Model.Expect's word on redirection, the
// guard before it and the closed door behind it.
func (w *world) want(m *netrules.Model, p trace.Packet) string {
	known, named := w.edgePort(p.To)
	if w.guarded(p) {
		return "guarded"
	}
	to, _ := m.Expect(p.To.Addr(), p.To.Port())
	switch {
	case to.IsValid() && slices.Contains(w.local, to.Addr()):
		return "to " + to.String()
	case to.IsValid():
		return "masq to " + to.String()
	case known && named:
		return "reset"
	case known:
		return "drop"
	}
	return "pass"
}

func got(r trace.Result) string {
	switch {
	case r.Action == trace.Drop && strings.HasPrefix(r.Chain, "guard-"):
		return "guarded"
	case r.Action != trace.Accept:
		return string(r.Action)
	}
	return outcome(r)
}

// TestAnyPacketGoesWhereItShould asks the rules and the specification about random
// packets among random objects, and wants each answer to have been given often.
func TestAnyPacketGoesWhereItShould(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(200) {
		w := newWorld(seed)
		m := w.model(t)
		h := trace.Host{Kernel: sent(t, m), Local: w.local}
		for range 150 {
			p := w.packet()
			want := w.want(m, p)
			if g := got(h.Trace(p)); g != want {
				t.Fatalf("seed %d: %s (by %q) to %s: %s, want %s\nroutes %+v\ntargets %+v\nguard %+v",
					seed, p.From, p.In, p.To, g, want, w.routes, w.targets, w.guard)
			}
			if i := strings.LastIndexByte(want, ' '); i > 0 {
				want = want[:i] // the address
			}
			seen[want]++
		}
	}
	for _, kind := range []string{"guarded", "to", "masq to", "reset", "drop", "pass"} {
		if seen[kind] < 100 {
			t.Errorf("%q was the answer for %d packets, too few to mean anything: %v", kind, seen[kind], seen)
		}
	}
}

// TestAnySequenceEndsInTheSameRules makes random changes of objects, brings each to a
// simulated kernel as the backend does, and compares with one that was made afresh.
func TestAnySequenceEndsInTheSameRules(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 4))
		m, objects := netrules.NewModel(), map[string][]v1alpha1.EdgeRoute{}
		g := grown{kernel: trace.New()}
		for n := range 25 {
			last := newWorld(seed*100 + uint64(n))
			name := fmt.Sprintf("s%d", r.IntN(3))
			if objects[name] = last.routes; r.IntN(5) == 0 {
				delete(objects, name)
				m.DeleteSlice(name)
			} else if err := m.SetSlice(name, last.routes); err != nil {
				t.Fatal(err)
			}
			if n == 0 || r.IntN(3) == 0 {
				if err := m.SetTargets(&v1alpha1.EdgeRouteTargets{Targets: last.targets, Guard: last.guard}); err != nil {
					t.Fatal(err)
				}
			}
			if n > 0 && r.IntN(3) == 0 {
				continue // the next change comes before the backend
			}
			g.follow(t, m)
			if diff := cmp.Diff(describe(sent(t, m)), describe(g.kernel)); diff != "" {
				t.Fatalf("seed %d, change %d (-fresh +grown):\n%s", seed, n, diff)
			}
		}
	}
}

// grown is a simulated kernel that follows a model by the transactions that the
// backend would send.
type grown struct {
	kernel  *trace.Kernel
	at      layout
	version uint64
}

func (g *grown) follow(t *testing.T, m *netrules.Model) {
	t.Helper()
	p := m.Plan()
	tx, next, err := step(g.at, g.version, p)
	if g.version == 0 {
		if next, err = render(p.Rules); err == nil {
			tx = anew(false, next, p)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if !tx.empty() {
		if err := g.kernel.Apply(tx.finish(1)); err != nil {
			t.Fatal(err)
		}
	}
	m.Commit()
	g.at, g.version = next, p.RulesVersion
}

// describe lists everything that a kernel holds, in a form that can be compared.
func describe(k *trace.Kernel) map[string][]string {
	out := map[string][]string{}
	for name, c := range k.Chains {
		lines := []string{fmt.Sprintf("%v %s %d %d", c.Base, c.Type, c.Hook, c.Priority)}
		for _, r := range c.Rules {
			lines = append(lines, r.Comment)
		}
		out["chain "+name] = lines
	}
	for name, s := range k.Sets {
		lines := []string{fmt.Sprintf("%d %v", s.KeyLen, s.Interval)}
		for e, end := range s.Elements {
			lines = append(lines, fmt.Sprintf("%x %v", e, end))
		}
		slices.Sort(lines)
		out["set "+name] = lines
	}
	return out
}
