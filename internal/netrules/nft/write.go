package nft

import (
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

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
	b.addElements(unix.NFT_MSG_NEWSETELEM, s.name, s.fixed)
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
