package ipt

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/ipt/ipset"
)

// guard drops strangers' new connections. What the node's own processes send
// arrives here by the loopback interface, if at all.
func (b *builder) guard(g netrules.Guard, known []uint16, nodes []node) {
	var rules []string
	if g.Enabled {
		rules = append(rules, "-i lo -j RETURN", "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN")
		for _, ap := range g.Guarded {
			if ap.Addr().Is6() == b.v6 {
				rules = append(rules, fmt.Sprintf("-d %s %s -j %s", single(ap.Addr()), matchPort(ap.Port()), chainStranger))
			}
		}
		for _, ports := range matchPorts(known) {
			if b.sets {
				rules = append(rules, ports+" "+b.matchEdge()+" -j "+chainStranger)
			} else {
				rules = append(rules, ports+" -j "+chainNodes)
			}
		}
		for _, ports := range matchPorts(g.LocalPorts) {
			rules = append(rules, ports+" -m addrtype --dst-type LOCAL -j "+chainStranger)
		}
	}
	b.chain(mangle, chainGuard, rules...)
	if !b.sets {
		b.perNode(mangle, nodes, func(netrules.Key) string { return "-g " + chainStranger })
	}
	b.chain(mangle, chainStranger, b.stranger(g)...)
	b.chain(mangle, chainGuarded, "-j DROP")
}

// stranger lets admitted addresses pass.
func (b *builder) stranger(g netrules.Guard) []string {
	if !g.Enabled {
		return nil
	}
	admitted := halves(slices.DeleteFunc(slices.Clone(g.Admitted), func(p netip.Prefix) bool { return p.Addr().Is6() != b.v6 }))
	var rules []string
	switch {
	case len(admitted) == 0:
	case b.sets:
		// A different content is a different set, and the rules switch to it in one step.
		s := b.set(setPrefix(b.v6)+"ADMIT."+shortHash(fmt.Sprint(admitted)), ipset.HashNet)
		s.fixed = admitted
		b.named[s.Name] = s
		rules = append(rules, "-m set --match-set "+s.Name+" src -j RETURN")
	default:
		for _, p := range admitted {
			rules = append(rules, fmt.Sprintf("-s %s -j RETURN", p))
		}
	}
	return append(rules, "-g "+chainGuarded)
}

// halves replaces a prefix that means all addresses, which no set can hold and
// iptables-save does not print, by two.
func halves(prefixes []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range prefixes {
		if p.Bits() > 0 {
			out = append(out, p)
			continue
		}
		upper := p.Addr().AsSlice()
		upper[0] = 0x80
		addr, _ := netip.AddrFromSlice(upper)
		out = append(out, netip.PrefixFrom(p.Addr(), 1), netip.PrefixFrom(addr, 1))
	}
	return out
}

// closed handles what still goes to an edge address, so was not redirected. A
// packet in the reply direction belongs to a connection that the edge node itself
// opened from that port.
func (b *builder) closed(r netrules.Rules, known []uint16, nodes []node) {
	var closed []string
	for _, ports := range matchPorts(known) {
		closed = append(closed, ports+" -g "+chainNoRoute)
	}
	b.chain(filter, chainClosed, closed...)
	b.byKey(filter, chainNoRoute, "-m conntrack --ctdir REPLY -j RETURN", r, nodes, chainNoTunnel,
		func(to netip.AddrPort) (string, bool) { return "-g " + chainRejected, !to.IsValid() })
	var tunnels []string
	for _, t := range r.Targets {
		if t.TunnelPort != 0 && !t.Endpoint(b.v6).IsValid() {
			tunnels = append(tunnels, matchPort(t.TunnelPort)+" -g "+chainRejected)
		}
	}
	b.chain(filter, chainNoTunnel, append(tunnels, "-g "+chainUnrouted)...)
	b.chain(filter, chainRejected, "-p tcp -j REJECT --reject-with tcp-reset")
	b.chain(filter, chainUnrouted, "-j DROP")
}

func (b *builder) dnat(r netrules.Rules, known []uint16, nodes []node) {
	var entry []string
	for _, ports := range matchPorts(known) {
		entry = append(entry, ports+" -g "+chainRoutes)
	}
	b.chain(nat, chainDNAT, entry...)
	b.byKey(nat, chainRoutes, "", r, nodes, chainTunnels,
		func(to netip.AddrPort) (string, bool) { return "-j DNAT --to-destination " + to.String(), to.IsValid() })
	var tunnels []string
	for _, t := range r.Targets {
		if ep := t.Endpoint(b.v6); t.TunnelPort != 0 && ep.IsValid() {
			tunnels = append(tunnels, matchPort(t.TunnelPort)+" -j DNAT --to-destination "+ep.String())
		}
	}
	b.chain(nat, chainTunnels, tunnels...)
}

// byKey makes the chain that does with packets to an edge address what act says
// about their Key's endpoint, and sends all others to the chain otherwise. Packets
// that go elsewhere return.
func (b *builder) byKey(table, name, first string, r netrules.Rules, nodes []node, otherwise string, act func(to netip.AddrPort) (string, bool)) {
	var rules []string
	if first != "" {
		rules = append(rules, first)
	}
	if b.sets {
		rules = append(rules, "-m set ! --match-set "+edgeSet(b.v6)+" dst -j RETURN")
	}
	own := map[netrules.Key]string{}
	b.groups(r, func(k netrules.Key, to netip.AddrPort) {
		target, acts := act(to)
		if !acts {
			return
		}
		var matches []string
		for _, ports := range matchPorts(k.Group.Ports()) {
			if b.sets {
				rules = append(rules, ports+" "+b.matchGroup(k)+" "+target)
			}
			matches = append(matches, ports+" "+target)
		}
		if !b.sets {
			own[k] = keyChain("KEY", k)
			b.chain(table, own[k], append(matches, "-g "+otherwise)...)
		}
	})
	if b.sets {
		b.chain(table, name, append(rules, "-g "+otherwise)...)
		return
	}
	b.chain(table, name, append(rules, "-g "+chainNodes)...)
	b.perNode(table, nodes, func(k netrules.Key) string { return "-g " + cmp.Or(own[k], otherwise) })
}

// masquerade gives redirected connections the address of the interface they leave
// by, so that answers come back through this node. Over the loopback interface
// they do so anyway. iptables cannot ask whether a connection's first destination
// is in a set; that it was redirected from one of our ports to one of our
// endpoints says the same.
func (b *builder) masquerade(r netrules.Rules, known []uint16) {
	rules := []string{"-o lo -j RETURN"}
	for _, p := range known {
		rules = append(rules, fmt.Sprintf("-p tcp -m conntrack --ctstate DNAT --ctorigdstport %d -j %s", p, chainMasqTo))
	}
	b.chain(nat, chainMasq, rules...)
	var ends []string
	for _, t := range r.Targets {
		if ep := t.Endpoint(b.v6); ep.IsValid() {
			rule := fmt.Sprintf("-d %s %s -j MASQUERADE", single(ep.Addr()), matchPort(ep.Port()))
			if !slices.Contains(ends, rule) {
				ends = append(ends, rule)
			}
		}
	}
	b.chain(nat, chainMasqTo, ends...)
}
