package nft

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

// keyType is the type of a set's elements, with what nft needs to print them.
type keyType struct {
	// magic is nft's number for the type; 6 bits for each part of a concatenation.
	magic uint32
	// parts are the lengths of the parts in bytes.
	parts []uint32
}

var (
	keyIPv4     = keyType{magic: 7, parts: []uint32{4}}
	keyIPv6     = keyType{magic: 8, parts: []uint32{16}}
	keyPort     = keyType{magic: 13, parts: []uint32{2}}
	keyIPv4Port = keyType{magic: 7<<6 | 13, parts: []uint32{4, 2}}
	keyIPv6Port = keyType{magic: 8<<6 | 13, parts: []uint32{16, 2}}
)

func keyAddr(v6 bool) keyType { return pick(v6, keyIPv6, keyIPv4) }
func keyPair(v6 bool) keyType { return pick(v6, keyIPv6Port, keyIPv4Port) }

func pick[T any](v6 bool, six, four T) T {
	if v6 {
		return six
	}
	return four
}

// length of an element in the kernel: the parts of a concatenation are padded.
func (k keyType) length() uint32 {
	if len(k.parts) == 1 {
		return k.parts[0]
	}
	n := uint32(0)
	for _, p := range k.parts {
		n += (p + 3) &^ 3
	}
	return n
}

// element is a member of a set: its key, and whether it ends an interval.
type element struct {
	key string
	end bool
}

// set is a set of the table. The elements of a set of edge addresses belong to
// the plan, not to the set; those of every other set are fixed.
type set struct {
	name  string
	key   keyType
	edges bool
	fixed []element
}

// Names of the sets of edge addresses.
func edgeSet(v6 bool) string { return pick(v6, "edge6", "edge4") }

func groupSet(v6 bool, k netrules.Key) string {
	return fmt.Sprintf("%s.%s.to.%s", pick(v6, "v6", "v4"), k.Group, k.Target)
}

// placement tells which sets an address is a member of, and makes the names once.
type placement map[placementKey][]string

type placementKey struct {
	key netrules.Key
	v6  bool
}

// sets lists the sets of an address with this Key. Without a target or ports no
// rule asks for more than the address.
func (p placement) sets(v6 bool, k netrules.Key) []string {
	if names, ok := p[placementKey{k, v6}]; ok {
		return names
	}
	names := []string{edgeSet(v6)}
	if k.Target != "" && k.Group != "" {
		names = append(names, groupSet(v6, k))
	}
	p[placementKey{k, v6}] = names
	return names
}

// fixedSet names a set after its content, so that a set of that name is complete
// and right or was tampered with, never outdated.
func fixedSet(prefix string, key keyType, elements []element) set {
	sum := sha256.New()
	for _, e := range elements {
		fmt.Fprintf(sum, "%x %v\n", e.key, e.end)
	}
	name := prefix + "." + hex.EncodeToString(sum.Sum(nil)[:6])
	return set{name: name, key: key, fixed: elements}
}

func portElements(ports []uint16) []element {
	out := make([]element, 0, len(ports))
	for _, p := range ports {
		out = append(out, element{key: string(binary.BigEndian.AppendUint16(nil, p))})
	}
	return out
}

func pairElements(pairs []netip.AddrPort, v6 bool) []element {
	var out []element
	for _, p := range pairs {
		if p.Addr().Is6() != v6 {
			continue
		}
		key := binary.BigEndian.AppendUint16(p.Addr().AsSlice(), p.Port())
		out = append(out, element{key: string(append(key, 0, 0))})
	}
	return out
}
