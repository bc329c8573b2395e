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
	ifs, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var out []netip.Addr
	for _, i := range ifs {
		if i.Flags&net.FlagLoopback != 0 || slices.Contains(virtualInterfaces, i.Name) {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, fmt.Errorf("list addresses of %s: %w", i.Name, err)
		}
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsGlobalUnicast() {
				out = append(out, prefix.Addr().Unmap())
			}
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
