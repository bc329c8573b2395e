// Package trace is a small nf_tables for tests: it takes the very netlink messages
// that package nft sends, and follows packets through what they made. It shares no
// code with the encoder, so a mistake in it shows.
//
// It is stricter than the kernel where that finds mistakes: to add an element that
// is there already is an error.
package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrBadMessage is wrapped by errors about what the kernel would refuse.
var ErrBadMessage = errors.New("the kernel would refuse")

// Kernel holds one table of family inet.
type Kernel struct {
	// Table is its name; empty when there is none.
	Table    string
	Chains   map[string]*Chain
	Sets     map[string]*Set
	Counters map[string]int
}

// Chain is a list of rules, at a hook when it is a base chain.
type Chain struct {
	Base     bool
	Type     string
	Hook     uint32
	Priority int32
	Rules    []Rule
}

// Rule is what one NEWRULE message said.
type Rule struct {
	Comment string
	exprs   []expression
}

// Set is a set and its elements: the keys' bytes, and whether they end an interval.
type Set struct {
	KeyLen   int
	Interval bool
	Elements map[string]bool
}

// New makes an empty kernel.
func New() *Kernel {
	k := &Kernel{}
	k.clear("")
	return k
}

func (k *Kernel) clear(table string) {
	*k = Kernel{Table: table, Chains: map[string]*Chain{}, Sets: map[string]*Set{}, Counters: map[string]int{}}
}

// Apply carries out a transaction: netlink messages one after the other, from
// BATCH_BEGIN to BATCH_END. After an error the state is undefined.
func (k *Kernel) Apply(batch []byte) error {
	inside, n := false, 0
	for ; len(batch) > 0; n++ {
		if len(batch) < 20 {
			return fmt.Errorf("%w: message %d has %d bytes", ErrBadMessage, n, len(batch))
		}
		length := int(binary.NativeEndian.Uint32(batch))
		if length < 20 || length > len(batch) || length%4 != 0 {
			return fmt.Errorf("%w: message %d says that it has %d bytes of %d", ErrBadMessage, n, length, len(batch))
		}
		msg := batch[:length]
		batch = batch[length:]
		typ := binary.NativeEndian.Uint16(msg[4:])
		switch {
		case typ == unix.NFNL_MSG_BATCH_BEGIN && !inside:
			inside = true
		case typ == unix.NFNL_MSG_BATCH_END && inside && len(batch) == 0:
			return nil
		case !inside || typ>>8 != unix.NFNL_SUBSYS_NFTABLES || msg[16] != unix.NFPROTO_INET:
			return fmt.Errorf("%w: message %d of type %#x, family %d", ErrBadMessage, n, typ, msg[16])
		default:
			if err := k.message(typ&0xff, msg[20:]); err != nil {
				return fmt.Errorf("message %d: %w", n, err)
			}
		}
	}
	return fmt.Errorf("%w: %d messages without an end", ErrBadMessage, n)
}

func (k *Kernel) message(cmd uint16, body []byte) error {
	a, err := decode(body)
	if err != nil {
		return err
	}
	table := a.str(unix.NFTA_TABLE_NAME) // attribute 1 in every message
	if cmd != unix.NFT_MSG_NEWTABLE && table != k.Table {
		return fmt.Errorf("%w: message %d is about table %q, there is %q", ErrBadMessage, cmd, table, k.Table)
	}
	switch cmd {
	case unix.NFT_MSG_NEWTABLE:
		k.clear(table)
	case unix.NFT_MSG_DELTABLE:
		k.clear("")
	case unix.NFT_MSG_NEWOBJ:
		if a.u32(unix.NFTA_OBJ_TYPE) != unix.NFT_OBJECT_COUNTER {
			return fmt.Errorf("%w: object of type %d", ErrBadMessage, a.u32(unix.NFTA_OBJ_TYPE))
		}
		k.Counters[a.str(unix.NFTA_OBJ_NAME)] = 0
	case unix.NFT_MSG_NEWCHAIN:
		return k.newChain(a)
	case unix.NFT_MSG_NEWRULE:
		return k.newRule(a)
	case unix.NFT_MSG_DELRULE:
		return k.flush(a.str(unix.NFTA_RULE_CHAIN))
	case unix.NFT_MSG_NEWSET:
		return k.newSet(a)
	case unix.NFT_MSG_DELSET:
		return k.deleteSet(a.str(unix.NFTA_SET_NAME))
	case unix.NFT_MSG_NEWSETELEM, unix.NFT_MSG_DELSETELEM:
		return k.elements(a, cmd == unix.NFT_MSG_NEWSETELEM)
	default:
		return fmt.Errorf("%w: command %d is not one of ours", ErrBadMessage, cmd)
	}
	return nil
}

func (k *Kernel) newChain(a attributes) error {
	c := &Chain{Type: a.str(unix.NFTA_CHAIN_TYPE)}
	if raw, ok := a[unix.NFTA_CHAIN_HOOK]; ok {
		h, err := decode(raw)
		if err != nil {
			return err
		}
		c.Base, c.Hook, c.Priority = true, h.u32(unix.NFTA_HOOK_HOOKNUM), int32(h.u32(unix.NFTA_HOOK_PRIORITY))
	}
	k.Chains[a.str(unix.NFTA_CHAIN_NAME)] = c
	return nil
}

func (k *Kernel) flush(chain string) error {
	c, ok := k.Chains[chain]
	if !ok {
		return fmt.Errorf("%w: no chain %q to flush", ErrBadMessage, chain)
	}
	c.Rules = nil
	return nil
}

func (k *Kernel) newRule(a attributes) error {
	c, ok := k.Chains[a.str(unix.NFTA_RULE_CHAIN)]
	if !ok {
		return fmt.Errorf("%w: no chain %q for a rule", ErrBadMessage, a.str(unix.NFTA_RULE_CHAIN))
	}
	var r Rule
	r.Comment, _ = userdata.GetString(a[unix.NFTA_RULE_USERDATA], userdata.TypeComment)
	err := eachElement(a[unix.NFTA_RULE_EXPRESSIONS], func(raw []byte) error {
		e, err := k.expression(raw)
		r.exprs = append(r.exprs, e)
		return err
	})
	if err != nil {
		return fmt.Errorf("rule %q: %w", r.Comment, err)
	}
	c.Rules = append(c.Rules, r)
	return nil
}

func (k *Kernel) newSet(a attributes) error {
	name := a.str(unix.NFTA_SET_NAME)
	if _, ok := k.Sets[name]; ok || name == "" || len(name) >= unix.NFT_SET_MAXNAMELEN {
		return fmt.Errorf("%w: set %q is there already or its name too long", ErrBadMessage, name)
	}
	k.Sets[name] = &Set{
		KeyLen:   int(a.u32(unix.NFTA_SET_KEY_LEN)),
		Interval: a.u32(unix.NFTA_SET_FLAGS)&unix.NFT_SET_INTERVAL != 0,
		Elements: map[string]bool{},
	}
	return nil
}

func (k *Kernel) deleteSet(name string) error {
	if _, ok := k.Sets[name]; !ok {
		return fmt.Errorf("%w: no set %q to delete", ErrBadMessage, name)
	}
	for chain, c := range k.Chains {
		for _, r := range c.Rules {
			if slices.ContainsFunc(r.exprs, func(e expression) bool { return e.kind == "lookup" && e.a.str(unix.NFTA_LOOKUP_SET) == name }) {
				return fmt.Errorf("%w: set %q is in use by rule %q of chain %s", ErrBadMessage, name, r.Comment, chain)
			}
		}
	}
	delete(k.Sets, name)
	return nil
}

func (k *Kernel) elements(a attributes, add bool) error {
	name := a.str(unix.NFTA_SET_ELEM_LIST_SET)
	s, ok := k.Sets[name]
	if !ok {
		return fmt.Errorf("%w: no set %q for elements", ErrBadMessage, name)
	}
	return eachElement(a[unix.NFTA_SET_ELEM_LIST_ELEMENTS], func(raw []byte) error {
		e, err := decode(raw)
		if err != nil {
			return err
		}
		value, err := decode(e[unix.NFTA_SET_ELEM_KEY])
		if err != nil {
			return err
		}
		key := string(value[unix.NFTA_DATA_VALUE])
		end := false
		if _, ok := e[unix.NFTA_SET_ELEM_FLAGS]; ok {
			end = e.u32(unix.NFTA_SET_ELEM_FLAGS)&unix.NFT_SET_ELEM_INTERVAL_END != 0
		}
		_, has := s.Elements[key]
		switch {
		case len(key) != s.KeyLen:
			return fmt.Errorf("%w: element %x of set %q has not %d bytes", ErrBadMessage, key, name, s.KeyLen)
		case add == has:
			return fmt.Errorf("%w: element %x of set %q: add %v, but it is there: %v", ErrBadMessage, key, name, add, has)
		case add:
			s.Elements[key] = end
		default:
			delete(s.Elements, key)
		}
		return nil
	})
}

// attributes are the values of netlink attributes by type.
type attributes map[uint16][]byte

func decode(b []byte) (attributes, error) {
	list, err := netlink.UnmarshalAttributes(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadMessage, err)
	}
	out := attributes{}
	for _, a := range list {
		out[a.Type&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER)] = a.Data
	}
	return out, nil
}

// eachElement calls f for every NFTA_LIST_ELEM.
func eachElement(b []byte, f func([]byte) error) error {
	list, err := netlink.UnmarshalAttributes(b)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadMessage, err)
	}
	for _, a := range list {
		if a.Type&^unix.NLA_F_NESTED != unix.NFTA_LIST_ELEM {
			return fmt.Errorf("%w: attribute %d in a list", ErrBadMessage, a.Type)
		}
		if err := f(a.Data); err != nil {
			return err
		}
	}
	return nil
}

func (a attributes) str(typ uint16) string { return unix.ByteSliceToString(a[typ]) }

func (a attributes) u32(typ uint16) uint32 {
	if len(a[typ]) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(a[typ])
}
