package netrules

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// Guard keeps everybody from the ports that CloudCore opens behind its gate. Nobody is
// admitted: the gate reaches them by the loopback interface.
type Guard struct {
	Enabled bool
	// Core are CloudCore's addresses with each of those ports, in order.
	Core []netip.AddrPort
	// LocalPorts are those ports where a CloudCore uses this node's own network, and
	// so listens on each of the node's addresses; ascending.
	LocalPorts []uint16
}

// guardFacts are the facts from which Guard is made; nothing in it but slices in
// order, so that equal facts compare equal.
type guardFacts struct {
	known   bool
	enabled bool
	core    []netip.AddrPort
	local   []netip.Addr
}

func parseGuard(g *v1alpha1.EdgeRouteGuard) (guardFacts, error) {
	if g == nil {
		return guardFacts{}, nil
	}
	f := guardFacts{known: true, enabled: g.Enabled}
	var errs []error
	for _, port := range g.Ports {
		if port < 1 || port > 65535 {
			errs = append(errs, fmt.Errorf("%w: guard.ports has %d; use 1 to 65535", ErrInvalid, port))
			continue
		}
		for _, text := range g.Addresses {
			addr, err := parseAddr("guard.addresses", text)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			f.core = append(f.core, netip.AddrPortFrom(addr, uint16(port)))
		}
	}
	slices.SortFunc(f.core, netip.AddrPort.Compare)
	f.core = slices.Compact(f.core)
	return f, errors.Join(errs...)
}

// guard computes what the kernel must hold.
func (f guardFacts) guard() Guard {
	if !f.known || !f.enabled {
		return Guard{}
	}
	g := Guard{Enabled: true, Core: f.core}
	for _, at := range f.core {
		if slices.Contains(f.local, at.Addr()) {
			g.LocalPorts = append(g.LocalPorts, at.Port())
		}
	}
	slices.Sort(g.LocalPorts)
	g.LocalPorts = slices.Compact(g.LocalPorts)
	return g
}

// setFacts takes new facts of the guard. It is called with the lock held.
func (m *Model) setFacts(f guardFacts) {
	if reflect.DeepEqual(f, m.facts) {
		return
	}
	m.facts, m.version = f, m.version+1
}

// GuardKnown tells whether the watcher has published the guard's facts.
func (m *Model) GuardKnown() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.facts.known
}
