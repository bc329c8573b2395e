package netrules

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// parseRoute reads one route. The caller holds the lock.
func (m *Model) parseRoute(r *v1alpha1.EdgeRoute) (member, error) {
	addr, err := parseAddr("address", r.Address)
	if err != nil {
		return member{}, err
	}
	key, err := m.keys.find(r.Ports, r.Target)
	if err != nil {
		return member{}, err
	}
	return member{addr: pack(addr), key: key}, nil
}

func checkPorts(ports []int32) error {
	for _, p := range ports {
		if p < 1 || p > 65535 {
			return fmt.Errorf("%w: ports has %d; use 1 to 65535", ErrInvalid, p)
		}
	}
	return nil
}

func parseTargets(obj *v1alpha1.EdgeRouteTargets) ([]Target, error) {
	if obj == nil {
		return nil, nil
	}
	var targets []Target
	var errs []error
	for _, in := range obj.Targets {
		if in.TunnelPort < 0 || in.TunnelPort > 65535 {
			errs = append(errs, fmt.Errorf("%w: target %s: tunnelPort is %d; use 0 to 65535", ErrInvalid, in.ID, in.TunnelPort))
			continue
		}
		t := Target{ID: in.ID, TunnelPort: uint16(in.TunnelPort)}
		for _, e := range in.Endpoints {
			ap, err := parseAddrPort(e.Address, e.Port)
			if err != nil {
				errs = append(errs, fmt.Errorf("target %s: %w", in.ID, err))
				continue
			}
			if ap.Addr().Is4() {
				t.V4 = ap
			} else {
				t.V6 = ap
			}
		}
		targets = append(targets, t)
	}
	slices.SortFunc(targets, func(a, b Target) int { return cmp.Compare(a.ID, b.ID) })
	return targets, errors.Join(errs...)
}

func parseAddrPort(address string, port int32) (netip.AddrPort, error) {
	addr, err := parseAddr("address", address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if port < 1 || port > 65535 {
		return netip.AddrPort{}, fmt.Errorf("%w: port is %d; use 1 to 65535", ErrInvalid, port)
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}

// parseAddr reads a plain unicast address: no zone, and IPv4 in IPv6 notation
// becomes IPv4.
func parseAddr(field, text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.Addr{}, fmt.Errorf("%w: %s is %q; use a unicast IPv4 or IPv6 address", ErrInvalid, field, text)
	}
	return addr.Unmap(), nil
}

func sortedAddrs(addrs []netip.Addr) []netip.Addr {
	out := slices.Clone(addrs)
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}
