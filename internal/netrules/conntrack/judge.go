package conntrack

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

// Judge decides which connections contradict the routes.
type Judge struct {
	Model *netrules.Model
	// All looks at every routed address, not only at those in Moved.
	All bool
	// Moved holds the routes that changed addresses had before; the zero Key when
	// an address had none.
	Moved map[netip.Addr]netrules.Key
	// Targets whose tunnel ports redirected formerly routed addresses.
	Targets []netrules.Target
}

// NoteMoves adds a plan's moves to Judge.Moved.
func NoteMoves(moved map[netip.Addr]netrules.Key, moves []netrules.Move) {
	for _, m := range moves {
		before := netrules.Key{}
		if m.From != nil {
			before = *m.From
		}
		moved[m.Addr] = before
	}
}

// Families are those that a connection can be of that Wrong tells about.
func (j Judge) Families() Families {
	if j.All {
		return Families{IPv4: true, IPv6: true}
	}
	return FamiliesOf(maps.Keys(j.Moved))
}

// Wrong tells whether a connection has to be deleted.
func (j Judge) Wrong(f Flow) bool {
	addr := f.To.Addr()
	before, moved := j.Moved[addr]
	if !moved && !j.All {
		return false
	}
	if to, ours := j.Model.Expect(addr, f.To.Port()); ours {
		return f.Peer != to
	}
	// Not routed any more: what we redirected must not stay redirected; what we did
	// not is none of our business.
	return moved && f.Redirected() && j.wasOurs(before, f.To.Port())
}

func (j Judge) wasOurs(before netrules.Key, port uint16) bool {
	return slices.Contains(before.Group.Ports(), port) ||
		slices.ContainsFunc(j.Targets, func(t netrules.Target) bool { return t.TunnelPort == port })
}

// PurgeRedirected deletes the redirected connections to former edge addresses and
// returns how many there were.
func PurgeRedirected(netNS int, former []netip.Addr) (int, error) {
	if len(former) == 0 {
		return 0, nil
	}
	set := make(map[netip.Addr]struct{}, len(former))
	for _, a := range former {
		set[a] = struct{}{}
	}
	return Purge(netNS, FamiliesOf(maps.Keys(set)), func(f Flow) bool {
		_, ok := set[f.To.Addr()]
		return ok && f.Redirected()
	})
}
