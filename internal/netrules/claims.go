package netrules

import "slices"

// replaceSlice makes next, which is in order, the contribution of a slice and
// routes every address that it had or has anew.
func (m *Model) replaceSlice(name string, next []member) {
	c := m.slices[name]
	if c == nil {
		c = &contribution{name: name}
	}
	old := c.members
	c.members = next
	if len(next) == 0 {
		delete(m.slices, name)
	} else {
		m.slices[name] = c
	}
	for len(old) > 0 || len(next) > 0 {
		switch {
		case len(next) == 0 || len(old) > 0 && comparePacked(old[0].addr, next[0].addr) < 0:
			m.unclaim(old[0].addr, c)
			m.resolve(old[0].addr, c)
			old = old[1:]
		case len(old) == 0 || old[0].addr != next[0].addr:
			m.claim(next[0].addr, c)
			m.resolve(next[0].addr, c)
			next = next[1:]
		default:
			if old[0].key != next[0].key {
				m.resolve(next[0].addr, c)
			}
			old, next = old[1:], next[1:]
		}
	}
}

// claim notes that the slice has the address; only a second claimant costs memory.
func (m *Model) claim(addr packedAddr, c *contribution) {
	owner, taken := m.routes[addr]
	if !taken || owner.slice == c {
		return
	}
	claimants := m.contested[addr]
	if claimants == nil {
		claimants = []*contribution{owner.slice}
	}
	if !slices.Contains(claimants, c) {
		claimants = append(claimants, c)
	}
	m.contested[addr] = claimants
}

func (m *Model) unclaim(addr packedAddr, c *contribution) {
	claimants, ok := m.contested[addr]
	if !ok {
		return
	}
	m.contested[addr] = slices.DeleteFunc(slices.Clone(claimants), func(other *contribution) bool { return other == c })
}

// resolve decides the route of an address, one of whose claimants, touched, just
// changed. Only the claimants count, so the order in which slices arrived never
// matters: the first slice by name wins.
func (m *Model) resolve(addr packedAddr, touched *contribution) {
	var best route
	consider := func(c *contribution) {
		if key, claims := c.find(addr); claims && (best.slice == nil || c.name < best.slice.name) {
			best = route{key: key, slice: c}
		}
	}
	consider(touched)
	if owner, ok := m.routes[addr]; ok {
		consider(owner.slice)
	}
	if claimants, ok := m.contested[addr]; ok {
		for _, c := range claimants {
			consider(c)
		}
		if len(claimants) < 2 {
			delete(m.contested, addr)
		}
	}
	m.setRoute(addr, best)
}

// setRoute stores the route of an address, none when it has no slice, and
// remembers what the kernel has.
func (m *Model) setRoute(addr packedAddr, next route) {
	old, had := m.routes[addr]
	if next == old {
		return
	}
	if had && next.slice != nil && next.key == old.key { // only the slice is another one
		m.routes[addr] = next
		return
	}
	before := noKey
	if had {
		before = old.key
		m.count(old.key, addr, -1)
	}
	if _, noted := m.before[addr]; !noted {
		m.before[addr] = before
	}
	if next.slice == nil {
		delete(m.routes, addr)
		return
	}
	m.count(next.key, addr, +1)
	m.routes[addr] = next
}

// count keeps the number of members by Key; a Key that gains its first member or
// loses its last of a family changes the rules.
func (m *Model) count(key keyID, addr packedAddr, delta int) {
	family := addr.family()
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
