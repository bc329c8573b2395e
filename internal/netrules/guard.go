package netrules

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// Guard is what protects CloudStream's port on one cloud node: new connections to
// Guarded, to LocalPorts of the node itself and to the known ports of edge
// addresses pass only when they come from Admitted or from the node itself.
type Guard struct {
	Enabled bool
	// Admitted in order, without overlaps; single addresses are /32 and /128.
	Admitted []netip.Prefix
	// Guarded in order.
	Guarded []netip.AddrPort
	// LocalPorts of any address of the node, ascending.
	LocalPorts []uint16
}

// guardFacts are the facts from which Guard is made; nothing in it but slices in
// order, so that equal facts compare equal.
type guardFacts struct {
	known        bool
	enabled      bool
	admitted     []netip.Prefix
	servicePorts []netip.AddrPort
	localPorts   []uint16
	hostNetwork  bool
	cloudNodes   []netip.Addr
	local        []netip.Addr
}

func parseGuard(g *v1alpha1.EdgeRouteGuard) (guardFacts, error) {
	if g == nil {
		return guardFacts{}, nil
	}
	f := guardFacts{known: true, enabled: g.Enabled, hostNetwork: g.HostNetwork}
	var errs []error
	for _, text := range g.Admitted {
		prefix, err := parsePrefix(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		f.admitted = append(f.admitted, prefix)
	}
	for _, sp := range g.ServicePorts {
		errs = append(errs, f.addServicePort(sp))
	}
	if g.NodePort > 0 && g.NodePort <= 65535 {
		f.localPorts = append(f.localPorts, uint16(g.NodePort))
	}
	return f, errors.Join(errs...)
}

func (f *guardFacts) addServicePort(sp v1alpha1.EdgeRouteGuardPort) error {
	if sp.Port < 1 || sp.Port > 65535 {
		return fmt.Errorf("%w: guard.servicePorts has port %d; use 1 to 65535", ErrInvalid, sp.Port)
	}
	if len(sp.Addresses) == 0 {
		f.localPorts = append(f.localPorts, uint16(sp.Port))
		return nil
	}
	var errs []error
	for _, text := range sp.Addresses {
		addr, err := parseAddr("guard.servicePorts.addresses", text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		f.servicePorts = append(f.servicePorts, netip.AddrPortFrom(addr, uint16(sp.Port)))
	}
	return errors.Join(errs...)
}

// parsePrefix reads an address or a CIDR.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%w: guard.admitted has %q; use an IP address or a CIDR", ErrInvalid, text)
	}
	return prefix.Masked(), nil
}

// guard computes what the kernel must hold from the facts and CloudCore's
// endpoints.
func (f guardFacts) guard(targets []Target) Guard {
	if !f.known || !f.enabled {
		return Guard{}
	}
	g := Guard{Enabled: true, LocalPorts: slices.Clone(f.localPorts), Guarded: slices.Clone(f.servicePorts)}
	for _, t := range targets {
		for _, ep := range []netip.AddrPort{t.V4, t.V6} {
			if !ep.IsValid() {
				continue
			}
			g.Guarded = append(g.Guarded, ep)
			// A CloudCore on the host's network listens on every address of its node,
			// and only on that node the port is CloudCore's.
			if f.hostNetwork && slices.Contains(f.local, ep.Addr()) {
				g.LocalPorts = append(g.LocalPorts, ep.Port())
			}
		}
	}
	slices.SortFunc(g.Guarded, netip.AddrPort.Compare)
	g.Guarded = slices.Compact(g.Guarded)
	slices.Sort(g.LocalPorts)
	g.LocalPorts = slices.Compact(g.LocalPorts)
	g.Admitted = f.allAdmitted()
	return g
}

func (f guardFacts) allAdmitted() []netip.Prefix {
	all := slices.Clone(f.admitted)
	for _, addrs := range [][]netip.Addr{f.cloudNodes, f.local} {
		for _, addr := range addrs {
			all = append(all, netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	return withoutOverlaps(all)
}

// withoutOverlaps sorts prefixes and drops those that another one contains.
func withoutOverlaps(prefixes []netip.Prefix) []netip.Prefix {
	slices.SortFunc(prefixes, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	var out []netip.Prefix
	for _, p := range prefixes {
		if len(out) > 0 && out[len(out)-1].Contains(p.Addr()) {
			continue
		}
		out = append(out, p)
	}
	return out
}

// GuardKnown tells whether the watcher has published the guard's facts.
func (m *Model) GuardKnown() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.facts.known
}
