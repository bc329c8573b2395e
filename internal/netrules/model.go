package netrules

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// ErrInvalid is wrapped by errors about route objects that cannot be used.
var ErrInvalid = errors.New("invalid route object")

// Model turns route objects into a Plan, one object at a time. A changed slice
// costs time in proportion to that slice, not to the number of edge nodes. It
// may be used by several goroutines.
//
// Every cloud node holds a Model of all edge addresses, so they are packed, and
// what they have in common, the Keys, is kept once.
type Model struct {
	mu sync.RWMutex
	// slices holds what every EdgeRouteSlice contributes, by name.
	slices map[string]*contribution
	// routes holds, for every address, what the winning slice says.
	routes map[packedAddr]route
	// contested holds the slices of addresses that more than one slice claims,
	// which happens while an edge node moves from one slice to another.
	contested map[packedAddr][]*contribution
	// before holds what the kernel has for the addresses that changed since Commit.
	before map[packedAddr]keyID
	keys   keyTable
	// members counts addresses by Key and family (0: IPv4, 1: IPv6).
	members map[keyID][2]int

	targets []Target
	facts   guardFacts
	version uint64
}

// NewModel makes a Model without routes.
func NewModel() *Model {
	return &Model{
		slices:    map[string]*contribution{},
		routes:    map[packedAddr]route{},
		contested: map[packedAddr][]*contribution{},
		before:    map[packedAddr]keyID{},
		keys:      newKeyTable(),
		members:   map[keyID][2]int{},
		version:   1,
	}
}

// SetSlice replaces what the slice of that name contributes. Routes that cannot
// be used are left out and named in the error; the others take effect.
func (m *Model) SetSlice(name string, routes []v1alpha1.EdgeRoute) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := make([]member, 0, len(routes))
	var errs []error
	for i := range routes {
		r := &routes[i]
		parsed, err := m.parseRoute(r)
		if err != nil {
			errs = append(errs, fmt.Errorf("slice %s, node %s: %w", name, r.Node, err))
			continue
		}
		next = append(next, parsed)
	}
	m.replaceSlice(name, inOrder(next))
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
	parsed.local = m.facts.local
	m.setFacts(parsed)
	return errors.Join(terr, gerr)
}

// SetLocal replaces the addresses of the node that the rules are for.
func (m *Model) SetLocal(addrs []netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	facts := m.facts
	facts.local = sortedAddrs(addrs)
	m.setFacts(facts)
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
				if !yield(addr.unpack(), *m.keys.key(r.key)) {
					return
				}
			}
		},
		Lookup: func(addr netip.Addr) (Key, bool) {
			r, ok := m.routes[pack(addr)]
			if !ok {
				return Key{}, false
			}
			return *m.keys.key(r.key), true
		},
	}
}

// Commit notes that the kernel holds everything that the last Plan said.
func (m *Model) Commit() {
	m.mu.Lock()
	defer m.mu.Unlock()
	// A cleared map would keep the size of the biggest change there ever was.
	m.before = map[packedAddr]keyID{}
}

// Expect tells where a new connection to addr:port goes. ok is false when the
// port of that address is none of ours; an invalid AddrPort means nowhere.
func (m *Model) Expect(addr netip.Addr, port uint16) (to netip.AddrPort, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, routed := m.routes[pack(addr)]
	if !routed {
		return netip.AddrPort{}, false
	}
	v6, key := addr.Is6(), m.keys.key(r.key)
	if slices.Contains(key.Group.Ports(), port) {
		ok = true
		if t, found := (Rules{Targets: m.targets}).Target(key.Target); found && t.Endpoint(v6).IsValid() {
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
	for id, n := range m.members {
		groups = append(groups, Group{Key: *m.keys.key(id), V4: n[0] > 0, V6: n[1] > 0})
	}
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Target, b.Target))
	})
	return Rules{Groups: groups, Targets: slices.Clone(m.targets), Guard: m.facts.guard()}
}

func (m *Model) moves() []Move {
	moves := make([]Move, 0, len(m.before))
	for addr, before := range m.before {
		now := noKey
		if r, ok := m.routes[addr]; ok {
			now = r.key
		}
		if now != before {
			moves = append(moves, Move{Addr: addr.unpack(), From: m.keys.key(before), To: m.keys.key(now)})
		}
	}
	return moves
}

// Len is the number of routed addresses.
func (m *Model) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.routes)
}
