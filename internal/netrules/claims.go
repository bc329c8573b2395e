package netrules

import (
	"net/netip"
	"slices"
)

// replaceSlice makes next the contribution of a slice and routes every address
// that it had or has anew.
func (m *Model) replaceSlice(name string, next map[netip.Addr]Key) {
	old := m.slices[name]
	if len(next) == 0 {
		delete(m.slices, name)
	} else {
		m.slices[name] = next
	}
	for addr := range old {
		if _, stays := next[addr]; !stays {
			m.unclaim(addr, name)
			m.resolve(addr, name)
		}
	}
	for addr, key := range next {
		before, had := old[addr]
		if had && before == key {
			continue
		}
		m.claim(addr, name)
		m.resolve(addr, name)
	}
}

// claim notes that the slice has the address; only a second claimant costs memory.
func (m *Model) claim(addr netip.Addr, slice string) {
	owner, taken := m.routes[addr]
	if !taken || owner.slice == slice {
		return
	}
	claimants := m.contested[addr]
	if claimants == nil {
		claimants = []string{owner.slice}
	}
	if !slices.Contains(claimants, slice) {
		claimants = append(claimants, slice)
	}
	m.contested[addr] = claimants
}

func (m *Model) unclaim(addr netip.Addr, slice string) {
	claimants, ok := m.contested[addr]
	if !ok {
		return
	}
	claimants = slices.DeleteFunc(slices.Clone(claimants), func(s string) bool { return s == slice })
	m.contested[addr] = claimants
}

// resolve decides the route of an address, one of whose claimants, touched, just
// changed. Only the claimants count, so the order in which slices arrived never
// matters: the first slice by name wins.
func (m *Model) resolve(addr netip.Addr, touched string) {
	candidates := append([]string{touched}, m.contested[addr]...)
	if owner, ok := m.routes[addr]; ok {
		candidates = append(candidates, owner.slice)
	}
	var best *route
	for _, name := range candidates {
		key, claims := m.slices[name][addr]
		if claims && (best == nil || name < best.slice) {
			best = &route{key: key, slice: name}
		}
	}
	if len(m.contested[addr]) < 2 {
		delete(m.contested, addr)
	}
	m.setRoute(addr, best)
}

// setRoute stores the route of an address and remembers what the kernel has.
func (m *Model) setRoute(addr netip.Addr, next *route) {
	old, had := m.routes[addr]
	if next != nil && had && old == *next {
		return
	}
	if _, noted := m.before[addr]; !noted {
		if had {
			m.before[addr] = &old.key
		} else {
			m.before[addr] = nil
		}
	}
	if had {
		m.count(old.key, addr, -1)
		delete(m.routes, addr)
	}
	if next != nil {
		m.count(next.key, addr, +1)
		m.routes[addr] = *next
	}
}

// count keeps the number of members by Key; a Key that gains its first member or
// loses its last of a family changes the rules.
func (m *Model) count(key Key, addr netip.Addr, delta int) {
	family := 0
	if addr.Is6() {
		family = 1
	}
	n := m.members[key]
	n[family] += delta
	if n[family] == 0 || n[family] == delta {
		m.version++
	}
	if n == [2]int{} {
		delete(m.members, key)
		return
	}
	m.members[key] = n
}
