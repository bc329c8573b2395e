package nft

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

// sameRules tells whether the kernel holds the layout, set elements aside.
func (img image) sameRules(want layout) bool {
	if !img.exists || len(img.chains) != len(want.chains) || len(img.sets) != len(want.sets) {
		return false
	}
	for _, name := range counters {
		if !slices.Contains(img.counters, name) {
			return false
		}
	}
	for _, c := range want.chains {
		if got, ok := img.chains[c.name]; !ok || !got.same(c) {
			return false
		}
	}
	for _, s := range want.sets {
		if got, ok := img.sets[s.name]; !ok || !got.same(s) {
			return false
		}
	}
	return true
}

func (got chainImage) same(want chain) bool {
	base := hook{}
	if want.base != nil {
		base = *want.base
	}
	return got.base == base && slices.EqualFunc(got.rules, want.rules, func(g ruleImage, w rule) bool {
		return g.comment == w.comment && g.exprs == len(w.exprs)
	})
}

func (got setImage) same(want set) bool {
	return got.magic == want.key.magic && got.length == want.key.length() && !got.interval
}

// correction finds the elements in which the kernel differs from the layout and
// the plan, and writes what corrects them into a transaction. It keeps no copy of
// the kernel's elements but one set's addresses.
type correction struct {
	conn *conn
	plan netrules.Plan
	want layout
	tx   *batch
	// sizes are how many addresses every set of edge addresses should have.
	sizes map[string]int
	place placement
	// seen are the right addresses of one set, with the number of the last list that
	// had them.
	seen map[netip.Addr]uint8
}

func correct(c *conn, p netrules.Plan, want layout, tx *batch) error {
	fix := correction{conn: c, plan: p, want: want, tx: tx, sizes: map[string]int{}, place: placement{}, seen: map[netip.Addr]uint8{}}
	for addr, key := range p.Members {
		for _, name := range fix.place.sets(addr.Is6(), key) {
			fix.sizes[name]++
		}
	}
	for _, s := range want.sets {
		fixSet := fix.fixed
		if s.edges {
			fixSet = fix.edges
		}
		if err := fixSet(s); err != nil {
			return err
		}
	}
	return nil
}

// reads of a set whose list seems not to be whole.
const reads = 3

// edges corrects a set of edge addresses. While the kernel rearranges a set, as it
// does for a moment after many were added, its list has some twice and others not at
// all. So a list with doubles is no proof that nothing else is there, and what is
// missing must be missing from every list.
func (f *correction) edges(s set) error {
	clear(f.seen)
	var wrong []element
	list, doubles := uint8(0), false
	others := map[element]struct{}{} // of this list
	reset := func() {
		list, doubles = list+1, false
		clear(others)
	}
	for n := 0; n < reads && (n == 0 || doubles || len(f.seen) < f.sizes[s.name]); n++ {
		err := f.conn.readElements(s.name, reset, func(key []byte, end bool) {
			addr, ok := netip.AddrFromSlice(key)
			if ok && f.belongs(addr, s.name) {
				doubles = doubles || f.seen[addr] == list
				f.seen[addr] = list
				return
			}
			e := element{key: string(key), end: end}
			_, again := others[e]
			doubles = doubles || again
			others[e] = struct{}{}
			wrong = append(wrong, e)
		})
		if err != nil {
			return err
		}
	}
	f.tx.addElements(unix.NFT_MSG_DELSETELEM, s.name, without(wrong, nil))
	if len(f.seen) < f.sizes[s.name] {
		f.tx.addElements(unix.NFT_MSG_NEWSETELEM, s.name, f.missing(s.name))
	}
	return nil
}

func (f *correction) belongs(addr netip.Addr, set string) bool {
	key, ok := f.plan.Lookup(addr)
	return ok && slices.Contains(f.place.sets(addr.Is6(), key), set)
}

// missing are the addresses of a set that were not seen in the kernel.
func (f *correction) missing(set string) []element {
	var out []element
	for addr, key := range f.plan.Members {
		if _, ok := f.seen[addr]; !ok && slices.Contains(f.place.sets(addr.Is6(), key), set) {
			out = append(out, element{key: string(addr.AsSlice())})
		}
	}
	return out
}

// fixed corrects a set whose elements belong to the layout.
func (f *correction) fixed(s set) error {
	var have []element
	err := f.conn.readElements(s.name, func() { have = nil }, func(key []byte, end bool) {
		have = append(have, element{key: string(key), end: end})
	})
	if err != nil {
		return err
	}
	f.tx.addElements(unix.NFT_MSG_DELSETELEM, s.name, without(have, s.fixed))
	f.tx.addElements(unix.NFT_MSG_NEWSETELEM, s.name, without(s.fixed, have))
	return nil
}

// without returns the elements of a that are not in b, once each and in order.
func without(a, b []element) []element {
	known := make(map[element]struct{}, len(b))
	for _, e := range b {
		known[e] = struct{}{}
	}
	var out []element
	for _, e := range a {
		if _, ok := known[e]; !ok {
			known[e] = struct{}{}
			out = append(out, e)
		}
	}
	return out
}
