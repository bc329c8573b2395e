package main

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// link is a network interface of this host.
type link struct{ name string }

// take makes the interface answer for exactly the wanted addresses of the pool.
func (l link) take(p pool, wanted map[netip.Addr]bool) error {
	device, err := netlink.LinkByName(l.name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", l.name, err)
	}
	has, err := netlink.AddrList(device, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("addresses of %s: %w", l.name, err)
	}
	missing := map[netip.Addr]bool{}
	for ip := range wanted {
		missing[ip] = true
	}
	for _, a := range has {
		ip, ok := netip.AddrFromSlice(a.IP.To4())
		if !ok || !p.Contains(ip) {
			continue
		}
		if delete(missing, ip); wanted[ip] {
			continue
		}
		if err := netlink.AddrDel(device, &a); err != nil {
			return fmt.Errorf("taking %s off %s: %w", ip, l.name, err)
		}
	}
	for ip := range missing {
		// A prefix of its own: the interface's network stays the first address's.
		if err := netlink.AddrReplace(device, &netlink.Addr{IPNet: &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(32, 32)}}); err != nil {
			return fmt.Errorf("putting %s on %s: %w", ip, l.name, err)
		}
	}
	return nil
}
