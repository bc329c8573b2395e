package nft

import (
	"net/netip"
	"slices"

	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

// elementsPerMessage keeps a message's element list within the 64 KiB that an
// attribute can have.
const elementsPerMessage = 1000

// bytesPerElement is the size of an encoded IPv6 element.
const bytesPerElement = 32

func (b *batch) addTable() {
	b.add(unix.NFT_MSG_NEWTABLE, netlink.Create, func(a *attrs) { a.str(unix.NFTA_TABLE_NAME, tableName) })
	for _, name := range counters {
		b.add(unix.NFT_MSG_NEWOBJ, netlink.Create, func(a *attrs) {
			a.str(unix.NFTA_OBJ_TABLE, tableName)
			a.str(unix.NFTA_OBJ_NAME, name)
			a.u32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
			a.nest(unix.NFTA_OBJ_DATA, func(*attrs) {})
		})
	}
}

func (b *batch) deleteTable() {
	b.add(unix.NFT_MSG_DELTABLE, 0, func(a *attrs) { a.str(unix.NFTA_TABLE_NAME, tableName) })
}

func (b *batch) addChain(c chain) {
	b.add(unix.NFT_MSG_NEWCHAIN, netlink.Create, func(a *attrs) {
		a.str(unix.NFTA_CHAIN_TABLE, tableName)
		a.str(unix.NFTA_CHAIN_NAME, c.name)
		if c.base == nil {
			return
		}
		a.nest(unix.NFTA_CHAIN_HOOK, func(a *attrs) {
			a.u32(unix.NFTA_HOOK_HOOKNUM, c.base.number)
			a.u32(unix.NFTA_HOOK_PRIORITY, uint32(c.base.priority))
		})
		a.str(unix.NFTA_CHAIN_TYPE, c.base.kind)
	})
}

func (b *batch) flushChain(name string) {
	b.add(unix.NFT_MSG_DELRULE, 0, func(a *attrs) {
		a.str(unix.NFTA_RULE_TABLE, tableName)
		a.str(unix.NFTA_RULE_CHAIN, name)
	})
}

func (b *batch) addRules(c chain) {
	for _, r := range c.rules {
		b.add(unix.NFT_MSG_NEWRULE, netlink.Create|netlink.Append, func(a *attrs) {
			a.str(unix.NFTA_RULE_TABLE, tableName)
			a.str(unix.NFTA_RULE_CHAIN, c.name)
			a.nest(unix.NFTA_RULE_EXPRESSIONS, func(a *attrs) {
				for _, e := range r.exprs {
					a.nest(unix.NFTA_LIST_ELEM, func(a *attrs) { a.b = append(a.b, e...); a.pad() })
				}
			})
			a.bytes(unix.NFTA_RULE_USERDATA, userdata.AppendString(nil, userdata.TypeComment, r.comment))
		})
	}
}

// Numbers of the kernel's and nft's interface that no Go package names.
const (
	setConcatenation     = 0x80 // NFT_SET_CONCAT
	setDescConcatenation = 2    // NFTA_SET_DESC_CONCAT
	setFieldLength       = 1    // NFTA_SET_FIELD_LEN
	bigEndianKeys        = 2    // how nft prints the elements of a set
	setID                = 1    // required, and only looked at when a name is not found
)

// addSet makes a set and, unless it holds edge addresses, fills it.
func (b *batch) addSet(s set) {
	flags := uint32(0)
	if s.key.interval {
		flags |= unix.NFT_SET_INTERVAL
	}
	if len(s.key.parts) > 1 {
		flags |= setConcatenation
	}
	b.add(unix.NFT_MSG_NEWSET, netlink.Create, func(a *attrs) {
		a.str(unix.NFTA_SET_TABLE, tableName)
		a.str(unix.NFTA_SET_NAME, s.name)
		a.u32(unix.NFTA_SET_FLAGS, flags)
		a.u32(unix.NFTA_SET_KEY_TYPE, s.key.magic)
		a.u32(unix.NFTA_SET_KEY_LEN, s.key.length())
		a.u32(unix.NFTA_SET_ID, setID)
		if len(s.key.parts) > 1 {
			a.nest(unix.NFTA_SET_DESC, func(a *attrs) { concatenation(a, s.key.parts) })
		}
		a.bytes(unix.NFTA_SET_USERDATA, userdata.AppendUint32(nil, userdata.NFTNL_UDATA_SET_KEYBYTEORDER, bigEndianKeys))
	})
	b.elements(unix.NFT_MSG_NEWSETELEM, s.name, s.fixed)
}

// concatenation describes the parts of a concatenated key.
func concatenation(a *attrs, parts []uint32) {
	a.nest(setDescConcatenation, func(a *attrs) {
		for _, length := range parts {
			a.nest(unix.NFTA_LIST_ELEM, func(a *attrs) { a.u32(setFieldLength, length) })
		}
	})
}

func (b *batch) deleteSet(name string) {
	b.add(unix.NFT_MSG_DELSET, 0, func(a *attrs) {
		a.str(unix.NFTA_SET_TABLE, tableName)
		a.str(unix.NFTA_SET_NAME, name)
	})
}

// elements adds or deletes elements, by cmd.
func (b *batch) elements(cmd uint16, name string, elements []element) {
	flags := netlink.HeaderFlags(0)
	if cmd == unix.NFT_MSG_NEWSETELEM {
		flags = netlink.Create
	}
	for len(elements) > 0 {
		n := min(len(elements), elementsPerMessage)
		part := elements[:n]
		elements = elements[n:]
		b.add(cmd, flags, func(a *attrs) {
			a.b = slices.Grow(a.b, n*bytesPerElement)
			a.str(unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
			a.str(unix.NFTA_SET_ELEM_LIST_SET, name)
			a.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(a *attrs) {
				for _, e := range part {
					a.nest(unix.NFTA_LIST_ELEM, func(a *attrs) { encodeElement(a, e) })
				}
			})
		})
	}
}

func encodeElement(a *attrs, e element) {
	if e.end {
		a.u32(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
	}
	a.nest(unix.NFTA_SET_ELEM_KEY, func(a *attrs) { a.data(unix.NFTA_DATA_VALUE, e.key) })
}

// changes are elements to add and to delete, by set.
type changes struct {
	add, del map[string][]element
	place    placement
}

func newChanges() changes {
	return changes{add: map[string][]element{}, del: map[string][]element{}, place: placement{}}
}

// addrElement is the element of an address.
func addrElement(addr netip.Addr) element {
	if addr.Is4() {
		b := addr.As4()
		return element{key: string(b[:])}
	}
	b := addr.As16()
	return element{key: string(b[:])}
}

// members adds all members of a plan.
func (c changes) members(p netrules.Plan) {
	for addr, key := range p.Members {
		e := addrElement(addr)
		for _, name := range c.place.sets(addr.Is6(), key) {
			c.add[name] = append(c.add[name], e)
		}
	}
}

// move notes what a change of an address's routing means for the sets: nothing
// for those that it stays a member of.
func (c changes) move(m netrules.Move) {
	var from, to []string
	if m.From != nil {
		from = c.place.sets(m.Addr.Is6(), *m.From)
	}
	if m.To != nil {
		to = c.place.sets(m.Addr.Is6(), *m.To)
	}
	e := addrElement(m.Addr)
	for _, name := range minus(from, to) {
		c.del[name] = append(c.del[name], e)
	}
	for _, name := range minus(to, from) {
		c.add[name] = append(c.add[name], e)
	}
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

// write puts element changes into the batch, for the sets that has knows: no rule
// asks for a set that it does not.
func (c changes) write(b *batch, has func(set string) bool) {
	for _, name := range sortedKeys(c.del) {
		if has(name) {
			b.elements(unix.NFT_MSG_DELSETELEM, name, c.del[name])
		}
	}
	for _, name := range sortedKeys(c.add) {
		if has(name) {
			b.elements(unix.NFT_MSG_NEWSETELEM, name, c.add[name])
		}
	}
}
