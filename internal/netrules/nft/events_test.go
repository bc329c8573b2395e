package nft

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/nft/trace"
	"github.com/edgeway-io/edgeway/internal/routes"
)

// cluster is what edge-watcher sees, and the slices that it has written.
type cluster struct {
	r      *rand.Rand
	nodes  map[string]routes.Node
	cores  map[string]routes.CloudCore
	record routes.Record
	slices []routes.Slice
	age    time.Time
}

func newCluster(seed uint64) *cluster {
	c := &cluster{
		r: rand.New(rand.NewPCG(seed, 5)), nodes: map[string]routes.Node{}, cores: map[string]routes.CloudCore{},
		record: routes.Record{Current: map[netip.Addr]int32{}, Ports: map[int32]bool{}},
		age:    time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	c.nodes["cp"] = routes.Node{Name: "cp", UID: "cp", Addresses: []string{"10.9.0.1"}}
	return c
}

// addresses of an edge node: few enough that nodes often share one, and one is a
// cloud node's.
func (c *cluster) addresses() []string {
	v4 := pickOf(c.r, []string{"192.168.1.1", "192.168.1.2", "192.168.1.3", "192.168.1.4", "10.9.0.1", "127.0.0.1"})
	return pickOf(c.r, [][]string{{v4}, {v4}, {v4, "fd10::1"}, {"fd10::2"}, nil})
}

// event happens to one node, one CloudCore or the record.
func (c *cluster) event() {
	name := fmt.Sprintf("edge-%d", c.r.IntN(6))
	node, exists := c.nodes[name]
	c.age = c.age.Add(time.Second)
	switch kind := c.r.IntN(8); {
	case kind < 2 || !exists && kind < 5: // joins, or comes back with another identity
		c.nodes[name] = routes.Node{Name: name, UID: fmt.Sprintf("%s-%d", name, c.age.Unix()), Created: c.age, Edge: true,
			Addresses: c.addresses(), KubeletPort: 10350}
	case kind == 2:
		delete(c.nodes, name)
	case kind == 3:
		node.Addresses = c.addresses()
		c.nodes[name] = node
	case kind == 4: // the label goes, or comes back
		node.Edge = !node.Edge
		c.nodes[name] = node
	case kind == 5 && exists: // its tunnel moves
		node.KubeletPort = pickOf(c.r, []int32{10350, 10351, 10352, 10353})
		c.nodes[name] = node
	case kind == 6: // a CloudCore starts, moves or ends
		pod := fmt.Sprintf("kubeedge/cloudcore-%d", c.r.IntN(2))
		delete(c.cores, pod)
		if c.r.IntN(3) > 0 {
			addr := pickOf(c.r, addrs("10.1.0.1 10.1.0.2 10.1.0.3"))
			c.cores[pod] = routes.CloudCore{Pod: pod, NodeName: "cp", Addresses: pickOf(c.r, [][]netip.Addr{{addr}, {addr, netip.MustParseAddr("fd01::1")}})}
		}
	case kind == 7: // it records itself
		port := pickOf(c.r, []int32{10351, 10352, 10353})
		c.record.Current[pickOf(c.r, addrs("10.1.0.1 10.1.0.2 10.1.0.3"))] = port
		c.record.Ports[port] = true
	}
}

func (c *cluster) compute() routes.Plan {
	in := routes.Input{Record: c.record, Settings: routes.Settings{LogPort: 10350, MetricsPort: 10250, StreamPort: 10003}}
	for _, name := range sortedKeys(c.nodes) {
		in.Nodes = append(in.Nodes, c.nodes[name])
	}
	for _, pod := range sortedKeys(c.cores) {
		in.CloudCores = append(in.CloudCores, c.cores[pod])
	}
	return routes.Compute(in)
}

// write brings the slices to a plan in the order in which edge-watcher does, and
// calls seen after each object: any of them may be the last that an operator gets
// for a while.
func (c *cluster) write(t *testing.T, plan routes.Plan, m *netrules.Model, seen func()) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		seen()
	}
	must(m.SetTargets(&v1alpha1.EdgeRouteTargets{Targets: plan.Targets}))
	ch := routes.Reslice(c.slices, plan.Routes)
	for _, s := range slices.Concat(ch.Create, ch.Update) {
		c.drop(s.Name)
		c.slices = append(c.slices, s)
		must(m.SetSlice(s.Name, s.Routes))
	}
	for _, name := range ch.Delete {
		c.drop(name)
		m.DeleteSlice(name)
		seen()
	}
}

func (c *cluster) drop(slice string) {
	c.slices = slices.DeleteFunc(c.slices, func(s routes.Slice) bool { return s.Name == slice })
}

// TestAnyNodeEventsEndAsAFreshStart goes the whole way, from Nodes and CloudCores to
// the kernel, and compares with a watcher and an operator that have just started.
// Meanwhile no address that is routed before and after an event may be unknown to the
// kernel for a moment: it would be sent to whoever owns it.
func TestAnyNodeEventsEndAsAFreshStart(t *testing.T) {
	routed := 0
	for seed := range uint64(60) {
		c, m, g := newCluster(seed), netrules.NewModel(), grown{kernel: trace.New()}
		g.follow(t, m)
		before := map[string]bool{}
		for n := range 40 {
			for range 1 + c.r.IntN(2) {
				c.event()
			}
			plan := c.compute()
			after := map[string]bool{}
			for _, node := range plan.Routes {
				for _, r := range node.Routes {
					after[r.Address] = true
				}
			}
			c.write(t, plan, m, func() {
				g.follow(t, m)
				for addr := range before {
					if after[addr] && !known(g.kernel, addr) {
						t.Fatalf("seed %d, event %d: the kernel forgot %s for a moment", seed, n, addr)
					}
				}
			})
			fresh, none := netrules.NewModel(), &cluster{}
			none.write(t, plan, fresh, func() {})
			if diff := cmp.Diff(describe(sent(t, fresh)), describe(g.kernel)); diff != "" {
				t.Fatalf("seed %d, event %d (-fresh +grown):\n%s", seed, n, diff)
			}
			before = after
			routed += len(after)
		}
	}
	if routed < 1000 {
		t.Errorf("only %d routes in all events, too few to mean anything", routed)
	}
}

func known(k *trace.Kernel, text string) bool {
	addr := netip.MustParseAddr(text)
	_, ok := k.Sets[edgeSet(addr.Is6())].Elements[string(addr.AsSlice())]
	return ok
}
