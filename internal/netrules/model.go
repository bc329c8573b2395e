package netrules

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"sync"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// ErrInvalid is wrapped by errors about route objects that cannot be used.
var ErrInvalid = errors.New("invalid route object")

// Model turns route objects into a Plan, one object at a time. A changed slice
// costs time in proportion to that slice, not to the number of edge nodes. It
// may be used by several goroutines.
type Model struct {
	mu sync.RWMutex
	// slices holds what every EdgeRouteSlice contributes.
	slices map[string]map[netip.Addr]Key
	// routes holds, for every address, the winning slice's Key.
	routes map[netip.Addr]route
	// contested holds the slices of addresses that more than one slice claims,
	// which happens while an edge node moves from one slice to another.
	contested map[netip.Addr][]string
	// before holds what the kernel has for the addresses that changed since Commit.
	before map[netip.Addr]*Key
	// members counts addresses by Key and family (0: IPv4, 1: IPv6).
	members map[Key][2]int
	// interned gives equal keys one copy of their strings.
	interned map[Key]Key

	targets []Target
	facts   guardFacts
	version uint64
}

type route struct {
	key   Key
	slice string
}

// NewModel makes a Model without routes.
func NewModel() *Model {
	return &Model{
		slices:    map[string]map[netip.Addr]Key{},
		routes:    map[netip.Addr]route{},
		contested: map[netip.Addr][]string{},
		before:    map[netip.Addr]*Key{},
		members:   map[Key][2]int{},
		interned:  map[Key]Key{},
		version:   1,
	}
}

// SetSlice replaces what the slice of that name contributes. Routes that cannot
// be used are left out and named in the error; the others take effect.
func (m *Model) SetSlice(name string, routes []v1alpha1.EdgeRoute) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := make(map[netip.Addr]Key, len(routes))
	var errs []error
	for _, r := range routes {
		addr, key, err := m.parseRoute(r)
		if err != nil {
			errs = append(errs, fmt.Errorf("slice %s, node %s: %w", name, r.Node, err))
			continue
		}
		next[addr] = key
	}
	m.replaceSlice(name, next)
	return errors.Join(errs...)
}

// DeleteSlice removes what the slice of that name contributed.
func (m *Model) DeleteSlice(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.replaceSlice(name, nil)
}

// SetTargets replaces targets and the guard's facts; nil means that there is no
// EdgeRouteTargets object. What cannot be used is left out and named in the error.
func (m *Model) SetTargets(obj *v1alpha1.EdgeRouteTargets) error {
	targets, terr := parseTargets(obj)
	var guard *v1alpha1.EdgeRouteGuard
	if obj != nil {
		guard = obj.Guard
	}
	parsed, gerr := parseGuard(guard)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Equal(targets, m.targets) {
		m.targets, m.version = targets, m.version+1
	}
	parsed.cloudNodes, parsed.local = m.facts.cloudNodes, m.facts.local
	m.setFacts(parsed)
	return errors.Join(terr, gerr)
}

// SetCloudNodes replaces the addresses of cloud nodes, which the guard admits.
func (m *Model) SetCloudNodes(addrs []netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	facts := m.facts
	facts.cloudNodes = sortedAddrs(addrs)
	m.setFacts(facts)
}

// SetLocal replaces the addresses of the node that the rules are for.
func (m *Model) SetLocal(addrs []netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	facts := m.facts
	facts.local = sortedAddrs(addrs)
	m.setFacts(facts)
}

func (m *Model) setFacts(f guardFacts) {
	if reflect.DeepEqual(f, m.facts) {
		return
	}
	m.facts, m.version = f, m.version+1
}

// Plan returns what the kernel should hold now.
func (m *Model) Plan() Plan {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return Plan{
		Rules:        m.rules(),
		RulesVersion: m.version,
		Moves:        m.moves(),
		Count:        len(m.routes),
		Members: func(yield func(netip.Addr, Key) bool) {
			for addr, r := range m.routes {
				if !yield(addr, r.key) {
					return
				}
			}
		},
	}
}

// Commit notes that the kernel holds everything that the last Plan said.
func (m *Model) Commit() {
	m.mu.Lock()
	defer m.mu.Unlock()
	// A cleared map would keep the size of the biggest change there ever was.
	m.before = map[netip.Addr]*Key{}
}

// Expect tells where a new connection to addr:port goes. ok is false when the
// port of that address is none of ours; an invalid AddrPort means nowhere.
func (m *Model) Expect(addr netip.Addr, port uint16) (to netip.AddrPort, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, routed := m.routes[addr]
	if !routed {
		return netip.AddrPort{}, false
	}
	v6 := addr.Is6()
	if slices.Contains(r.key.Group.Ports(), port) {
		ok = true
		if t, found := (Rules{Targets: m.targets}).Target(r.key.Target); found && t.Endpoint(v6).IsValid() {
			return t.Endpoint(v6), true
		}
	}
	for _, t := range m.targets {
		if t.TunnelPort == port && t.Endpoint(v6).IsValid() {
			return t.Endpoint(v6), true
		}
		ok = ok || t.TunnelPort == port
	}
	return netip.AddrPort{}, ok
}

func (m *Model) rules() Rules {
	groups := make([]Group, 0, len(m.members))
	for key, n := range m.members {
		groups = append(groups, Group{Key: key, V4: n[0] > 0, V6: n[1] > 0})
	}
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Target, b.Target))
	})
	return Rules{Groups: groups, Targets: slices.Clone(m.targets), Guard: m.facts.guard(m.targets)}
}

func (m *Model) moves() []Move {
	moves := make([]Move, 0, len(m.before))
	for addr, from := range m.before {
		var to *Key
		if r, ok := m.routes[addr]; ok {
			to = &r.key
		}
		if from == nil && to == nil || from != nil && to != nil && *from == *to {
			continue
		}
		moves = append(moves, Move{Addr: addr, From: from, To: to})
	}
	return moves
}

// Len is the number of routed addresses.
func (m *Model) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.routes)
}
