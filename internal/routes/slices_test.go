package routes

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

func nodeRoutes(name string, addrs ...string) NodeRoutes {
	n := NodeRoutes{Node: name}
	for _, addr := range addrs {
		n.Routes = append(n.Routes, v1alpha1.EdgeRoute{Node: name, Address: addr, Ports: []int32{10250, 10350}, Target: "10351"})
	}
	return n
}

func manyRoutes(n int) []NodeRoutes {
	var out []NodeRoutes
	for i := range n {
		out = append(out, nodeRoutes(fmt.Sprintf("edge-%04d", i), fmt.Sprintf("192.168.%d.%d", i/250, i%250+1)))
	}
	return out
}

// applyChanges does what the API would hold afterwards.
func applyChanges(existing []Slice, c Changes) []Slice {
	byName := map[string]Slice{}
	for _, s := range existing {
		byName[s.Name] = s
	}
	for _, s := range slices.Concat(c.Create, c.Update) {
		byName[s.Name] = s
	}
	for _, name := range c.Delete {
		delete(byName, name)
	}
	var out []Slice
	for _, s := range byName {
		out = append(out, s)
	}
	return out
}

func writes(c Changes) string {
	return fmt.Sprintf("%d created, %d updated, %d deleted", len(c.Create), len(c.Update), len(c.Delete))
}

func TestResliceWrites(t *testing.T) {
	full := manyRoutes(230) // three slices, the last with 30 routes
	existing := applyChanges(nil, Reslice(nil, full))
	edit := func(f func([]NodeRoutes) []NodeRoutes) []NodeRoutes { return f(slices.Clone(full)) }
	tests := []struct {
		name   string
		wanted []NodeRoutes
		want   string
	}{
		{"nothing changed", full, "0 created, 0 updated, 0 deleted"},
		{"one address changed", edit(func(n []NodeRoutes) []NodeRoutes {
			n[150] = nodeRoutes("edge-0150", "10.9.9.9")
			return n
		}), "0 created, 1 updated, 0 deleted"},
		{"one node added", append(slices.Clone(full), nodeRoutes("a-new-one", "10.9.9.9")), "0 created, 1 updated, 0 deleted"},
		{"one node removed", full[1:], "0 created, 1 updated, 0 deleted"},
		{"a whole slice's nodes removed", full[:200], "0 created, 0 updated, 1 deleted"},
		{"a second address in a full slice", edit(func(n []NodeRoutes) []NodeRoutes {
			n[10] = nodeRoutes("edge-0010", "192.168.0.11", "2001:db8::11")
			return n
		}), "0 created, 2 updated, 0 deleted"},
		{"more than fit", append(slices.Clone(full), manyRoutes(400)[230:]...), "1 created, 1 updated, 0 deleted"},
		{"all gone", nil, "0 created, 0 updated, 3 deleted"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			changes := Reslice(existing, test.wanted)
			if got := writes(changes); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			checkSlices(t, applyChanges(existing, changes), test.wanted)
			if again := Reslice(applyChanges(existing, changes), test.wanted); !again.Empty() {
				t.Errorf("a second pass writes: %s", writes(again))
			}
		})
	}
}

// An address that goes from one slice to another is written to its new slice first.
func TestResliceGainsFirst(t *testing.T) {
	existing := []Slice{
		{Name: "edge-00000", Routes: nodeRoutes("a", "10.0.0.1").Routes},
		{Name: "edge-00001", Routes: nodeRoutes("b", "10.0.0.2").Routes},
	}
	changes := Reslice(existing, []NodeRoutes{nodeRoutes("a", "10.0.0.3"), nodeRoutes("b", "10.0.0.1")})
	changes2 := Reslice(existing, []NodeRoutes{nodeRoutes("b", "10.0.0.2", "10.0.0.1")})
	if len(changes.Update) != 2 || len(changes2.Update) != 1 || !slices.Equal(changes2.Delete, []string{"edge-00000"}) {
		t.Fatalf("changes are %+v and %+v", changes, changes2)
	}
	existing[0].Routes = append(existing[0].Routes, nodeRoutes("a2", "10.0.0.9").Routes...)
	changes = Reslice(existing, []NodeRoutes{nodeRoutes("a2", "10.0.0.9"), nodeRoutes("b", "10.0.0.1")})
	if got := changes.Update[0].Name; got != "edge-00001" {
		t.Errorf("first update is %s, want edge-00001, which gains an address", got)
	}
}

// What a foreign hand did is put right.
func TestResliceRepairs(t *testing.T) {
	existing := []Slice{
		{Name: "edge-00000", Routes: nodeRoutes("a", "10.0.0.1").Routes},
		{Name: "foreign", Routes: slices.Concat(nodeRoutes("a", "10.0.0.1").Routes, nodeRoutes("zz", "10.0.0.7").Routes)},
	}
	wanted := []NodeRoutes{nodeRoutes("a", "10.0.0.1")}
	changes := Reslice(existing, wanted)
	if got := writes(changes); got != "0 created, 0 updated, 1 deleted" {
		t.Error(got)
	}
	checkSlices(t, applyChanges(existing, changes), wanted)
}

// checkSlices fails unless the slices hold exactly the routes, each once, in order
// and within the bound.
func checkSlices(t *testing.T, got []Slice, wanted []NodeRoutes) {
	t.Helper()
	seen := map[string]string{}
	var lines, want []string
	for _, s := range got {
		if len(s.Routes) == 0 || len(s.Routes) > v1alpha1.MaxRoutesPerSlice {
			t.Errorf("slice %s has %d routes", s.Name, len(s.Routes))
		}
		if !slices.IsSortedFunc(s.Routes, func(a, b v1alpha1.EdgeRoute) int { return strings.Compare(a.Node, b.Node) }) {
			t.Errorf("slice %s is not in order of node names", s.Name)
		}
		for _, r := range s.Routes {
			if other, found := seen[r.Node]; found && other != s.Name {
				t.Errorf("node %s is in slices %s and %s", r.Node, other, s.Name)
			}
			seen[r.Node] = s.Name
			lines = append(lines, fmt.Sprint(r))
		}
	}
	for _, node := range wanted {
		for _, r := range node.Routes {
			want = append(want, fmt.Sprint(r))
		}
	}
	slices.Sort(lines)
	slices.Sort(want)
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

// Any sequence of events must end where a fresh start ends: in the same routes, the
// same targets and the same findings.
func TestAnySequenceEndsLikeAFreshStart(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			world := newWorld(seed)
			var existing []Slice
			for range 150 {
				world.step()
				// A restart or a missed event: several steps at once.
				if world.random.IntN(3) == 0 {
					continue
				}
				plan := Compute(world.input(false))
				existing = applyChanges(existing, Reslice(existing, plan.Routes))
			}
			plan := Compute(world.input(false))
			existing = applyChanges(existing, Reslice(existing, plan.Routes))

			fresh := Compute(world.input(true))
			if diff := cmp.Diff(fresh, plan); diff != "" {
				t.Errorf("plans differ by the order of objects (-fresh +got):\n%s", diff)
			}
			checkSlices(t, existing, fresh.Routes)
			checkHolders(t, fresh)
		})
	}
}

// checkHolders fails if two nodes hold one address.
func checkHolders(t *testing.T, plan Plan) {
	t.Helper()
	holder := map[string]string{}
	for _, node := range plan.Routes {
		for _, r := range node.Routes {
			if other, found := holder[r.Address]; found {
				t.Errorf("%s and %s both hold %s", other, r.Node, r.Address)
			}
			holder[r.Address] = r.Node
		}
	}
}

// world is a cluster that changes at random. It has few addresses for its nodes, so
// that conflicts come and go, and enough nodes for several slices.
type world struct {
	random       *rand.Rand
	nodes        map[string]Node
	cores        []CloudCore
	record       Record
	reservations map[netip.Addr]string
	clock        time.Time
	nextPort     int32
}

func newWorld(seed uint64) *world {
	w := &world{
		random:       rand.New(rand.NewPCG(seed, 1)),
		nodes:        map[string]Node{"cp": cloud("cp", "198.18.0.2")},
		record:       Record{Current: map[netip.Addr]int32{}, Ports: map[int32]bool{}},
		reservations: map[netip.Addr]string{},
		clock:        epoch,
		nextPort:     10351,
	}
	for i := range 600 {
		w.nodes[fmt.Sprint("seed-", i)] = edge(fmt.Sprint("seed-", i), fmt.Sprintf("172.16.%d.%d", i/200, i%200+1), 10350)
	}
	return w
}

func (w *world) address() string {
	pool := []string{"198.18.0.2", "127.0.0.1", "bad", "10.1.0.2", fmt.Sprintf("2001:db8::%d", w.random.IntN(20)+1)}
	if w.random.IntN(4) == 0 {
		return pool[w.random.IntN(len(pool))]
	}
	return fmt.Sprintf("172.16.%d.%d", w.random.IntN(3), w.random.IntN(200)+1)
}

func (w *world) port() int32 { return 10350 + int32(w.random.IntN(6)) }

func (w *world) step() {
	w.clock = w.clock.Add(time.Duration(w.random.IntN(3)) * time.Second)
	name := fmt.Sprint("edge-", w.random.IntN(40))
	if w.random.IntN(2) == 0 {
		name = fmt.Sprint("seed-", w.random.IntN(600))
	}
	switch w.random.IntN(8) {
	case 0, 1:
		node := edge(name, w.address(), w.port())
		node.Created, node.UID = w.clock, fmt.Sprint("uid-", w.random.IntN(1_000_000))
		w.nodes[name] = node
	case 2:
		delete(w.nodes, name)
	case 3:
		if node, found := w.nodes[name]; found {
			node.Addresses = []string{w.address(), w.address()}
			w.nodes[name] = node
		}
	case 4:
		if node, found := w.nodes[name]; found {
			node.KubeletPort = w.port()
			w.nodes[name] = node
		}
	case 5:
		if node, found := w.nodes[name]; found {
			node.Edge = !node.Edge
			w.nodes[name] = node
		}
	case 6:
		w.restartCloudCore()
	case 7:
		if addr, err := netip.ParseAddr(w.address()); err == nil {
			w.reservations[addr] = name
		}
	}
}

func (w *world) restartCloudCore() {
	addr := netip.AddrFrom4([4]byte{10, 1, 0, byte(w.random.IntN(5) + 1)})
	w.cores = slices.DeleteFunc(w.cores, func(c CloudCore) bool { return c.Addresses[0] == addr || w.random.IntN(2) == 0 })
	if w.random.IntN(4) == 0 {
		return
	}
	w.cores = append(w.cores, CloudCore{Pod: "kubeedge/cloudcore-" + addr.String(), NodeName: "cp", Addresses: []netip.Addr{addr}})
	if w.random.IntN(5) > 0 && w.record.Current[addr] == 0 {
		w.record.Current[addr] = w.nextPort
		w.record.Ports[w.nextPort] = true
		w.nextPort++
	}
}

// input lists nodes by name, or in random order as a cache does.
func (w *world) input(ordered bool) Input {
	var nodes []Node
	for _, node := range w.nodes {
		nodes = append(nodes, node)
	}
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	cores := slices.Clone(w.cores)
	if !ordered {
		w.random.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		w.random.Shuffle(len(cores), func(i, j int) { cores[i], cores[j] = cores[j], cores[i] })
	}
	return Input{Nodes: nodes, CloudCores: cores, Record: w.record, Reservations: w.reservations, Settings: settings}
}

func BenchmarkCompute100k(b *testing.B) {
	in := Input{Settings: settings, Record: Record{Current: map[netip.Addr]int32{}, Ports: map[int32]bool{10351: true}}}
	for i := range 100_000 {
		node := edge(fmt.Sprintf("edge-%06d", i), fmt.Sprintf("172.%d.%d.%d", 16+i/62500, i/250%250, i%250+1), 10351)
		node.PodCIDRs = []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.0/24", i/250%250, i%250))}
		in.Nodes = append(in.Nodes, node)
	}
	existing := applyChanges(nil, Reslice(nil, Compute(in).Routes))
	for b.Loop() {
		Reslice(existing, Compute(in).Routes)
	}
}
