package nft

import (
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

// elementsPerMessage keeps a message's element list within the 64 KiB that an
// attribute can have.
const elementsPerMessage = 1000

// elementList are encoded elements that wait for their message.
type elementList struct {
	attrs
	count int
}

func (l *elementList) put(e element) {
	l.nest(unix.NFTA_LIST_ELEM, func(a *attrs) {
		if e.end {
			a.u32(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
		}
		a.nest(unix.NFTA_SET_ELEM_KEY, func(a *attrs) { a.data(unix.NFTA_DATA_VALUE, e.key) })
	})
	l.count++
}

// putAddr is put for an address, without an allocation for each of 100,000.
func (l *elementList) putAddr(addr netip.Addr) {
	long := addr.As16()
	key := long[:]
	if addr.Is4() {
		key = long[12:]
	}
	l.header(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, 12+len(key))
	l.header(unix.NFTA_SET_ELEM_KEY|unix.NLA_F_NESTED, 8+len(key))
	l.bytes(unix.NFTA_DATA_VALUE, key)
	l.count++
}

// write puts the elements into a message, if there are any, and empties the list.
func (l *elementList) write(tx *batch, cmd uint16, set string) {
	if l.count == 0 {
		return
	}
	flags := netlink.HeaderFlags(0)
	if cmd == unix.NFT_MSG_NEWSETELEM {
		flags = netlink.Create
	}
	tx.add(cmd, flags, func(a *attrs) {
		a.str(unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
		a.str(unix.NFTA_SET_ELEM_LIST_SET, set)
		a.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(a *attrs) { a.b = append(a.b, l.b...) })
	})
	tx.elements += l.count
	l.b, l.count = l.b[:0], 0
}

// elements adds or deletes elements, by cmd.
func (b *batch) addElements(cmd uint16, set string, elements []element) {
	var l elementList
	for _, e := range elements {
		l.put(e)
		if l.count == elementsPerMessage {
			l.write(b, cmd, set)
		}
	}
	l.write(b, cmd, set)
}

// changes writes changes of edge addresses into a transaction, for the sets that
// the layout has: no rule asks for another one.
type changes struct {
	tx       *batch
	layout   layout
	place    placement
	add, del map[string]*elementList
}

func newChanges(tx *batch, l layout) *changes {
	return &changes{tx: tx, layout: l, place: placement{}, add: map[string]*elementList{}, del: map[string]*elementList{}}
}

// members adds all members of a plan.
func (c *changes) members(p netrules.Plan) {
	for addr, key := range p.Members {
		for _, name := range c.place.sets(addr.Is6(), key) {
			c.put(c.add, unix.NFT_MSG_NEWSETELEM, name, addr)
		}
	}
	c.flush()
}

// moves follows changes of routing. An address that stays a member of a set costs
// nothing there.
func (c *changes) moves(moves []netrules.Move) {
	for _, m := range moves {
		var from, to []string
		if m.From != nil {
			from = c.place.sets(m.Addr.Is6(), *m.From)
		}
		if m.To != nil {
			to = c.place.sets(m.Addr.Is6(), *m.To)
		}
		for _, name := range minus(from, to) {
			c.put(c.del, unix.NFT_MSG_DELSETELEM, name, m.Addr)
		}
		for _, name := range minus(to, from) {
			c.put(c.add, unix.NFT_MSG_NEWSETELEM, name, m.Addr)
		}
	}
	c.flush()
}

func minus(a, b []string) []string {
	var out []string
	for _, s := range a {
		found := false
		for _, t := range b {
			found = found || s == t
		}
		if !found {
			out = append(out, s)
		}
	}
	return out
}

func (c *changes) put(lists map[string]*elementList, cmd uint16, set string, addr netip.Addr) {
	l := lists[set]
	if l == nil {
		if !c.layout.hasSet(set) {
			return
		}
		l = &elementList{}
		lists[set] = l
	}
	l.putAddr(addr)
	if l.count == elementsPerMessage {
		l.write(c.tx, cmd, set)
	}
}

// flush writes what waits for its message.
func (c *changes) flush() {
	for _, name := range sortedKeys(c.del) {
		c.del[name].write(c.tx, unix.NFT_MSG_DELSETELEM, name)
	}
	for _, name := range sortedKeys(c.add) {
		c.add[name].write(c.tx, unix.NFT_MSG_NEWSETELEM, name)
	}
}
