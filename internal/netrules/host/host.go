// Package host reads what the node's own network looks like.
package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// virtualInterfaces hold addresses that are not the node's: kube-proxy's IPVS
// mode puts every Service address on one.
var virtualInterfaces = []string{"kube-ipvs0"}

// Addresses lists the node's own unicast addresses in order, loopback and
// link-local ones left out.
func Addresses() ([]netip.Addr, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	others := map[int]bool{}
	for _, l := range links {
		a := l.Attrs()
		others[a.Index] = a.Flags&net.FlagLoopback != 0 || slices.Contains(virtualInterfaces, a.Name)
	}
	// One question for all of them: asked interface by interface, the kernel would list all each time.
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var out []netip.Addr
	for _, a := range addrs {
		addr, ok := netip.AddrFromSlice(a.IP)
		if ok && !others[a.LinkIndex] && addr.IsGlobalUnicast() {
			out = append(out, addr.Unmap())
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out), nil
}

// Routable tells whether the kernel has any route to an address.
func Routable(addr netip.Addr) (bool, error) {
	_, err := netlink.RouteGet(net.IP(addr.AsSlice()))
	for _, none := range []error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EACCES, unix.EINVAL} {
		if errors.Is(err, none) {
			return false, nil
		}
	}
	if err != nil {
		return false, fmt.Errorf("look up route to %s: %w", addr, err)
	}
	return true, nil
}
