// Package conntrack removes connection tracking entries that contradict the
// routes. The kernel decides about NAT once per connection and remembers it, so
// a connection that was open when a route moved would stay on the old CloudCore,
// and one that was dialled before there was a route would never be redirected.
package conntrack

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"

	"github.com/mdlayher/netlink"
	ct "github.com/ti-mo/conntrack"
	"github.com/ti-mo/netfilter"
	"golang.org/x/sys/unix"
)

// Flow is a tracked TCP connection.
type Flow struct {
	// To is what the client dialled, Peer is who answers it: they differ when the
	// connection is redirected.
	To, Peer netip.AddrPort
}

// Redirected tells whether the destination was rewritten.
func (f Flow) Redirected() bool { return f.To != f.Peer }

// Families are those of IP whose entries are read.
type Families struct{ IPv4, IPv6 bool }

// FamiliesOf are those of addresses.
func FamiliesOf(addrs iter.Seq[netip.Addr]) (f Families) {
	for addr := range addrs {
		f.IPv4 = f.IPv4 || addr.Is4()
		f.IPv6 = f.IPv6 || addr.Is6()
	}
	return f
}

func (f Families) list() (list []netfilter.ProtoFamily) {
	if f.IPv4 {
		list = append(list, netfilter.ProtoIPv4)
	}
	if f.IPv6 {
		list = append(list, netfilter.ProtoIPv6)
	}
	return list
}

// Purge deletes the TCP entries of the families that wrong returns true for and returns
// how many there were. netNS is a file descriptor of a network namespace, 0 for the own.
func Purge(netNS int, families Families, wrong func(Flow) bool) (int, error) {
	conn, err := ct.Dial(&netlink.Config{NetNS: netNS})
	if err != nil {
		return 0, fmt.Errorf("open conntrack: %w", err)
	}
	defer conn.Close()
	purged := 0
	for _, family := range families.list() {
		flows, err := conn.DumpFilter(ct.NewFilter().Family(family), nil)
		if err != nil {
			return purged, fmt.Errorf("list conntrack entries: %w", err)
		}
		for _, f := range flows {
			if f.TupleOrig.Proto.Protocol != unix.IPPROTO_TCP || !wrong(flow(f)) {
				continue
			}
			// The ID keeps a newer connection with the same addresses from harm.
			only := ct.Flow{ID: f.ID, Zone: f.Zone, TupleOrig: f.TupleOrig, TupleReply: f.TupleReply}
			switch err := conn.Delete(only); {
			case err == nil:
				purged++
			case errors.Is(err, unix.ENOENT): // gone by itself meanwhile
			default:
				return purged, fmt.Errorf("delete conntrack entry to %s: %w", flow(f).To, err)
			}
		}
	}
	return purged, nil
}

func flow(f ct.Flow) Flow {
	return Flow{
		To:   netip.AddrPortFrom(f.TupleOrig.IP.DestinationAddress.Unmap(), f.TupleOrig.Proto.DestinationPort),
		Peer: netip.AddrPortFrom(f.TupleReply.IP.SourceAddress.Unmap(), f.TupleReply.Proto.SourcePort),
	}
}
