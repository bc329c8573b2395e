package ipt

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/ipt/ipset"
)

// Tables, in the order in which they are written.
const (
	mangle = "mangle"
	filter = "filter"
	nat    = "nat"
)

var tables = []string{mangle, filter, nat}

// Chains whose rules count; they never change, and so keep their counts.
const (
	chainGuarded  = prefix + "GUARDED"
	chainUnrouted = prefix + "UNROUTED"
	chainRejected = prefix + "REJECTED"
)

// Other chains that are always there, or with rules for every address.
const (
	chainGuard     = prefix + "GUARD"
	chainGuardHere = prefix + "GUARD-HERE"
	chainClosed    = prefix + "CLOSED"
	chainNoRoute   = prefix + "NOROUTE"
	chainNoTunnel  = prefix + "NOTUNNEL"
	chainDNAT      = prefix + "DNAT"
	chainRoutes    = prefix + "ROUTES"
	chainTunnels   = prefix + "TUNNELS"
	chainMasq      = prefix + "MASQ"
	chainMasqTo    = prefix + "MASQ-TO"
	chainNodes     = prefix + "NODES"
)

// jump is a rule of a built-in chain that enters one of ours.
type jump struct{ table, builtin, to string }

func (j jump) rule() string { return "-p tcp -j " + j.to }

var jumps = []jump{
	{mangle, "INPUT", chainGuardHere},
	{mangle, "POSTROUTING", chainGuard},
	{filter, "FORWARD", chainClosed},
	{filter, "OUTPUT", chainClosed},
	{nat, "PREROUTING", chainDNAT},
	{nat, "OUTPUT", chainDNAT},
	{nat, "POSTROUTING", chainMasq},
}

// chain is one of our chains; its rules are written as iptables-save prints them.
type chain struct {
	table, name string
	rules       []string
}

// set is an IP set of edge addresses, which belong to the plan.
type set struct{ ipset.Set }

// layout is all that one IP family needs, apart from edge addresses in sets.
type layout struct {
	chains []chain
	sets   []set
}

// builder collects a layout while it is rendered.
type builder struct {
	v6     bool
	sets   bool
	chains []chain
	named  map[string]set
}

// render turns a plan's rules into one family's layout. Without sets the edge
// addresses are rules, so nodes is looked at.
func render(r netrules.Rules, v6, sets bool, nodes []node) layout {
	b := &builder{v6: v6, sets: sets, named: map[string]set{}}
	known := r.KnownPorts()
	b.guard(r.Guard)
	b.closed(r, known, nodes)
	b.dnat(r, known, nodes)
	b.masquerade(r, known)
	if sets {
		b.named[edgeSet(v6)] = b.set(edgeSet(v6), ipset.HashIP)
	}
	out := layout{chains: b.chains}
	for _, s := range b.named {
		out.sets = append(out.sets, s)
	}
	slices.SortFunc(out.sets, func(a, b set) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// node is an edge address that is a rule.
type node struct {
	addr netip.Addr
	key  netrules.Key
}

func (b *builder) set(name, typ string) set {
	return set{Set: ipset.Set{Name: name, Type: typ, V6: b.v6, MaxElem: maxElem}}
}

func (b *builder) chain(table, name string, rules ...string) {
	b.chains = append(b.chains, chain{table, name, rules})
}

// perNode makes the chain EDGEWAY-NODES of a table; to tells what to do with a Key.
func (b *builder) perNode(table string, nodes []node, to func(netrules.Key) string) {
	rules := make([]string, 0, len(nodes))
	for _, n := range nodes {
		rules = append(rules, "-d "+single(n.addr).String()+" "+to(n.key))
	}
	b.chain(table, chainNodes, rules...)
}

// matchGroup matches addresses with this Key and creates their set.
func (b *builder) matchGroup(k netrules.Key) string {
	name := groupSet(b.v6, k)
	b.named[name] = b.set(name, ipset.HashIP)
	return "-m set --match-set " + name + " dst"
}

// portsPerRule is how many ports the multiport match takes.
const portsPerRule = 15

// matchPorts matches TCP to any of the ports; more than one match when they are many.
func matchPorts(ports []uint16) []string {
	var out []string
	for part := range slices.Chunk(ports, portsPerRule) {
		texts := make([]string, 0, len(part))
		for _, p := range part {
			texts = append(texts, fmt.Sprint(p))
		}
		out = append(out, "-p tcp -m multiport --dports "+strings.Join(texts, ","))
	}
	return out
}

func matchPort(p uint16) string { return fmt.Sprintf("-p tcp -m tcp --dport %d", p) }

// groups lists the Keys that addresses of this family have, with their target's
// endpoint, which may be invalid.
func (b *builder) groups(r netrules.Rules, yield func(k netrules.Key, to netip.AddrPort)) {
	for _, g := range r.Groups {
		if g.Has(b.v6) && g.Group != "" && g.Target != "" {
			t, _ := r.Target(g.Target)
			yield(g.Key, t.Endpoint(b.v6))
		}
	}
}
