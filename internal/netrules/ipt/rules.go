package ipt

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

// guard drops what goes to a CloudCore's own ports, whoever sent it and whatever address
// it was sent to: every DNAT has been done by then. Packets of open connections are no
// exception.
//
// A CloudCore on this node's network listens on each of the node's addresses. Only the
// gate's way is left there: from this node to a loopback address. The interface alone would let
// this node's other addresses pass, and the address alone what kube-proxy's
// route_localnet accepts from outside.
func (b *builder) guard(g netrules.Guard) {
	var pods, here []string
	if g.Enabled && len(g.Core) > 0 {
		pods = append(pods, "-o lo -j RETURN")
		for _, ap := range g.Core {
			if ap.Addr().Is6() == b.v6 {
				pods = append(pods, fmt.Sprintf("-d %s %s -g %s", single(ap.Addr()), matchPort(ap.Port()), chainGuarded))
			}
		}
	}
	if g.Enabled && len(g.LocalPorts) > 0 {
		loopback := "127.0.0.0/8"
		if b.v6 {
			loopback = "::1/128"
		}
		here = append(here, "-d "+loopback+" -i lo -j RETURN")
		for _, ports := range matchPorts(g.LocalPorts) {
			here = append(here, ports+" -g "+chainGuarded)
		}
	}
	b.chain(mangle, chainGuard, pods...)
	b.chain(mangle, chainGuardHere, here...)
	b.chain(mangle, chainGuarded, "-j DROP")
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
	reject := func(to netip.AddrPort) (string, bool) { return "-g " + chainRejected, !to.IsValid() }
	b.byKey(filter, chainNoRoute, "-m conntrack --ctdir REPLY -j RETURN", r, nodes, chainNoTunnel, reject)
	b.chain(filter, chainNoTunnel, append(b.tunnels(r, reject), "-g "+chainUnrouted)...)
	b.chain(filter, chainRejected, "-p tcp -j REJECT --reject-with tcp-reset")
	b.chain(filter, chainUnrouted, "-j DROP")
}

func (b *builder) dnat(r netrules.Rules, known []uint16, nodes []node) {
	var entry []string
	for _, ports := range matchPorts(known) {
		entry = append(entry, ports+" -g "+chainRoutes)
	}
	b.chain(nat, chainDNAT, entry...)
	redirect := func(to netip.AddrPort) (string, bool) { return "-j DNAT --to-destination " + to.String(), to.IsValid() }
	b.byKey(nat, chainRoutes, "", r, nodes, chainTunnels, redirect)
	b.chain(nat, chainTunnels, b.tunnels(r, redirect)...)
}

// action says what to do with packets for an endpoint, and whether anything is to
// be done.
type action func(to netip.AddrPort) (rule string, acts bool)

// tunnels makes a rule for every CloudCore's tunnel port.
func (b *builder) tunnels(r netrules.Rules, act action) []string {
	var rules []string
	for _, t := range r.Targets {
		if target, acts := act(t.Endpoint(b.v6)); t.TunnelPort != 0 && acts {
			rules = append(rules, matchPort(t.TunnelPort)+" "+target)
		}
	}
	return rules
}

// byKey makes the chain that does with packets to an edge address what act says
// about their Key's endpoint, and sends all others to the chain otherwise. Packets
// that go elsewhere return.
func (b *builder) byKey(table, name, first string, r netrules.Rules, nodes []node, otherwise string, act action) {
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
