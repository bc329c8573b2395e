package netrules

import (
	"bytes"
	"math"
	"net/netip"
	"slices"
	"strings"
)

// packedAddr is an address in 16 bytes and without a pointer, IPv4 as IPv6
// notation has it; a netip.Addr takes 24 and has one.
type packedAddr [16]byte

func pack(a netip.Addr) packedAddr { return a.As16() }

func (p packedAddr) unpack() netip.Addr { return netip.AddrFrom16(p).Unmap() }

// family is 0 for IPv4 and 1 for IPv6.
func (p packedAddr) family() int {
	if netip.AddrFrom16(p).Is4In6() {
		return 0
	}
	return 1
}

func comparePacked(a, b packedAddr) int { return bytes.Compare(a[:], b[:]) }

// keyID stands for a Key of a keyTable.
type keyID uint32

// noKey stands for no route.
const noKey keyID = math.MaxUint32

// maxPorts is how many ports of a route the API takes.
const maxPorts = 8

// rawKey is a Key as a route object says it. It finds a Key again without making
// its PortGroup.
type rawKey struct {
	ports  [maxPorts]int32
	count  int
	target string
}

// keyTable numbers Keys. There are as many as combinations of port groups and
// CloudCores, and none is forgotten.
type keyTable struct {
	keys []*Key
	ids  map[Key]keyID
	raw  map[rawKey]keyID
}

func newKeyTable() keyTable {
	return keyTable{ids: map[Key]keyID{}, raw: map[rawKey]keyID{}}
}

// key is nil for noKey.
func (t *keyTable) key(id keyID) *Key {
	if id == noKey {
		return nil
	}
	return t.keys[id]
}

// find returns the number of the Key of a route.
func (t *keyTable) find(ports []int32, target string) (keyID, error) {
	raw := rawKey{count: len(ports), target: target}
	short := copy(raw.ports[:], ports) == len(ports)
	if id, ok := t.raw[raw]; ok && short {
		return id, nil
	}
	if err := checkPorts(ports); err != nil {
		return noKey, err
	}
	// Cloned, so that the string does not keep the object that it came in.
	key := Key{Group: NewPortGroup(ports), Target: strings.Clone(target)}
	id, ok := t.ids[key]
	if !ok {
		id = keyID(len(t.keys))
		t.keys, t.ids[key] = append(t.keys, &key), id
	}
	if short {
		raw.target = key.Target
		t.raw[raw] = id
	}
	return id, nil
}

// member is an address and how it is routed.
type member struct {
	addr packedAddr
	key  keyID
}

// contribution is what one slice says: members in order of address, each address
// once.
type contribution struct {
	name    string
	members []member
}

// find returns what the slice says about an address.
func (c *contribution) find(addr packedAddr) (keyID, bool) {
	i, ok := slices.BinarySearchFunc(c.members, addr, func(m member, a packedAddr) int { return comparePacked(m.addr, a) })
	if !ok {
		return noKey, false
	}
	return c.members[i].key, true
}

// inOrder sorts members; of several with one address the last counts.
func inOrder(members []member) []member {
	slices.SortStableFunc(members, func(a, b member) int { return comparePacked(a.addr, b.addr) })
	out := members[:0]
	for i, m := range members {
		if i+1 < len(members) && members[i+1].addr == m.addr {
			continue
		}
		out = append(out, m)
	}
	return out
}

// route is a member of the slice that decides about its address.
type route struct {
	key   keyID
	slice *contribution
}
