package ipt

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/ipt/ipset"
)

// prefix of the names of all our chains and sets.
const prefix = "EDGEWAY-"

const (
	// maxElem bounds the members of a set; the kernel's default is 65,536.
	maxElem = 1 << 20
	// fresh is the suffix of a set that is filled to take another one's place.
	fresh = ".n"
)

func setPrefix(v6 bool) string {
	if v6 {
		return prefix + "6-"
	}
	return prefix + "4-"
}

// edgeSet holds every routed address of a family.
func edgeSet(v6 bool) string { return setPrefix(v6) + "EDGE" }

// groupSet holds the addresses with this Key. Its name tells the Key when there is
// room for that.
func groupSet(v6 bool, k netrules.Key) string {
	name := setPrefix(v6) + string(k.Group) + "." + k.Target
	if len(name)+len(fresh) <= ipset.MaxName && !strings.ContainsAny(name, " \"'\\,") {
		return name
	}
	return setPrefix(v6) + "KEY." + shortHash(string(k.Group), k.Target)
}

// keyChain names a chain after a Key.
func keyChain(what string, k netrules.Key) string {
	return prefix + what + "-" + shortHash(string(k.Group), k.Target)
}

// shortHash makes a short name of texts.
func shortHash(texts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(texts, "\n")))
	return hex.EncodeToString(sum[:6])
}

// setsOf lists the sets of an address with this Key, the set of its group first: an
// address becomes known only when it is clear where it goes.
func setsOf(v6 bool, k netrules.Key) []string {
	if k.Target == "" || k.Group == "" {
		return []string{edgeSet(v6)}
	}
	return []string{groupSet(v6, k), edgeSet(v6)}
}

func single(addr netip.Addr) netip.Prefix { return netip.PrefixFrom(addr, addr.BitLen()) }
