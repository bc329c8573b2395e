package nft

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

const (
	tableName = "edgeway"

	counterGuarded  = "guarded"
	counterUnrouted = "unrouted"
	counterRejected = "rejected"
)

// layout is everything in the table except the edge addresses.
type layout struct {
	sets   []set
	chains []chain
}

// hook is where a base chain is attached.
type hook struct {
	kind     string
	number   uint32
	priority int32
}

type chain struct {
	name  string
	base  *hook
	rules []rule
}

// rule is a rule's expressions and the comment by which it is known again: the
// comment ends with a hash of the expressions.
type rule struct {
	comment string
	exprs   [][]byte
}

var counters = []string{counterGuarded, counterRejected, counterUnrouted}

// builder collects a layout while it is rendered.
type builder struct {
	sets map[string]set
	errs []error
}

// render turns rules into a layout. Chains are always the same; what they hold
// depends on the rules.
func render(r netrules.Rules) (layout, error) {
	b := &builder{sets: map[string]set{}}
	known := b.fixed("known", keyPort, portElements(r.KnownPorts()))
	for _, v6 := range []bool{false, true} {
		b.sets[edgeSet(v6)] = set{name: edgeSet(v6), key: keyAddr(v6), edges: true}
	}
	chains := []chain{
		{name: "guard-input", base: &hook{"filter", unix.NF_INET_LOCAL_IN, -150}, rules: b.guardHere(r.Guard)},
		{name: "guard-postrouting", base: &hook{"filter", unix.NF_INET_POST_ROUTING, -150}, rules: b.guardPods(r.Guard)},
		{name: "dnat4", rules: b.dnat(r, false)},
		{name: "dnat6", rules: b.dnat(r, true)},
		{name: "closed4", rules: b.closed(r, known, false)},
		{name: "closed6", rules: b.closed(r, known, true)},
		{name: "nat-prerouting", base: &hook{"nat", unix.NF_INET_PRE_ROUTING, -110}, rules: b.jumps("dnat")},
		{name: "nat-output", base: &hook{"nat", unix.NF_INET_LOCAL_OUT, -110}, rules: b.jumps("dnat")},
		{name: "filter-forward", base: &hook{"filter", unix.NF_INET_FORWARD, 0}, rules: b.jumps("closed")},
		{name: "filter-output", base: &hook{"filter", unix.NF_INET_LOCAL_OUT, 0}, rules: b.jumps("closed")},
		{name: "nat-postrouting", base: &hook{"nat", unix.NF_INET_POST_ROUTING, 90}, rules: b.masquerade(known)},
	}
	out := layout{chains: chains}
	for _, name := range sortedKeys(b.sets) {
		out.sets = append(out.sets, b.sets[name])
	}
	return out, errors.Join(b.errs...)
}

// jumps sends TCP to edge addresses to the chain of their family.
func (b *builder) jumps(to string) []rule {
	var rules []rule
	for _, v6 := range []bool{false, true} {
		chain := to + pick(v6, "6", "4")
		rules = append(rules, b.rule("edge addresses", new(program).tcp(v6).to(v6, edgeSet(v6)).jump(chain)))
	}
	return rules
}

func (b *builder) dnat(r netrules.Rules, v6 bool) []rule {
	var rules []rule
	for _, g := range r.Groups {
		t, ok := r.Target(g.Target)
		if !ok || !g.Has(v6) || g.Group == "" || !t.Endpoint(v6).IsValid() {
			continue
		}
		p := new(program).to(v6, b.group(v6, g.Key)).ports(b.portSet(g.Group)).dnat(t.Endpoint(v6))
		rules = append(rules, b.rule(fmt.Sprintf("ports %s to %s", g.Group, t.ID), p))
	}
	for _, t := range r.Targets {
		if t.TunnelPort == 0 || !t.Endpoint(v6).IsValid() {
			continue
		}
		rules = append(rules, b.rule("tunnel port of "+t.ID, new(program).port(t.TunnelPort).dnat(t.Endpoint(v6))))
	}
	return rules
}

// closed handles what still goes to an edge address, so was not redirected. A
// packet in the reply direction belongs to a connection that the edge node itself
// opened from that port.
func (b *builder) closed(r netrules.Rules, known string, v6 bool) []rule {
	rules := []rule{
		b.rule("replies", new(program).replyDirection().verdict(expr.VerdictReturn)),
		b.rule("other ports", new(program).portsNot(known).verdict(expr.VerdictReturn)),
	}
	for _, g := range r.Groups {
		t, _ := r.Target(g.Target)
		if !g.Has(v6) || g.Group == "" || g.Target == "" || t.Endpoint(v6).IsValid() {
			continue
		}
		p := new(program).to(v6, b.group(v6, g.Key)).ports(b.portSet(g.Group)).count(counterRejected).reset()
		rules = append(rules, b.rule(fmt.Sprintf("ports %s, no endpoint of %s", g.Group, g.Target), p))
	}
	for _, t := range r.Targets {
		if t.TunnelPort == 0 || t.Endpoint(v6).IsValid() {
			continue
		}
		p := new(program).port(t.TunnelPort).count(counterRejected).reset()
		rules = append(rules, b.rule("tunnel port, no endpoint of "+t.ID, p))
	}
	return append(rules, b.rule("no route", new(program).count(counterUnrouted).verdict(expr.VerdictDrop)))
}

// masquerade gives redirected connections the address of the interface they leave
// by, so that answers come back through this node. Over the loopback interface
// they do so anyway.
func (b *builder) masquerade(known string) []rule {
	rules := []rule{b.rule("stays on this node", new(program).interfaceIs(expr.MetaKeyOIFNAME, "lo").verdict(expr.VerdictReturn))}
	for _, v6 := range []bool{false, true} {
		p := new(program).tcp(v6).ctBits(expr.CtKeySTATUS, ctStatusDNAT).
			originallyTo(v6, edgeSet(v6)).originallyPorts(known).masquerade()
		rules = append(rules, b.rule("redirected", p))
	}
	return rules
}

// ctStatusDNAT is IPS_DST_NAT of the kernel's connection tracking.
const ctStatusDNAT = 1 << 5

// guardPods drops what leaves for a CloudCore's own ports, whoever sent it and whatever
// address it was sent to: every DNAT has been done by then. Packets of open connections
// are no exception.
func (b *builder) guardPods(g netrules.Guard) []rule {
	if !g.Enabled || len(g.Core) == 0 {
		return nil
	}
	var rules []rule
	for _, v6 := range []bool{false, true} {
		core := b.fixed(pick(v6, "core6", "core4"), keyPair(v6), pairElements(g.Core, v6))
		p := new(program).interfaceIsNot(expr.MetaKeyOIFNAME, "lo").tcp(v6).toPair(v6, core)
		rules = append(rules, b.rule("to CloudCore past its gate", p.count(counterGuarded).verdict(expr.VerdictDrop)))
	}
	return rules
}

// guardHere drops what arrives at the own ports of a CloudCore on this node's network,
// which listens on each of the node's addresses. Only the gate's way is left: from this
// node to a loopback address. The interface alone would let this node's other addresses
// pass, and the address alone what kube-proxy's route_localnet accepts from outside.
func (b *builder) guardHere(g netrules.Guard) []rule {
	if !g.Enabled || len(g.LocalPorts) == 0 {
		return nil
	}
	ports := b.fixed("local", keyPort, portElements(g.LocalPorts))
	var rules []rule
	for _, v6 := range []bool{false, true} {
		p := new(program).interfaceIs(expr.MetaKeyIIFNAME, "lo").tcp(v6).toLoopback(v6).verdict(expr.VerdictReturn)
		rules = append(rules, b.rule("the gate", p))
	}
	p := new(program).l4tcp().ports(ports).count(counterGuarded).verdict(expr.VerdictDrop)
	return append(rules, b.rule("to this node's CloudCore past its gate", p))
}

func (b *builder) rule(comment string, p *program) rule {
	if p.err != nil {
		b.errs = append(b.errs, fmt.Errorf("rule %q: %w", comment, p.err))
	}
	sum := sha256.Sum256(slices.Concat(p.exprs...))
	return rule{comment: fmt.Sprintf("%.100s #%s", comment, hex.EncodeToString(sum[:4])), exprs: p.exprs}
}

func (b *builder) fixed(prefix string, key keyType, elements []element) string {
	s := fixedSet(prefix, key, elements)
	b.sets[s.name] = s
	return s.name
}

func (b *builder) group(v6 bool, k netrules.Key) string {
	name := groupSet(v6, k)
	b.sets[name] = set{name: name, key: keyAddr(v6), edges: true}
	return name
}

// portSet is named after its ports, which are its elements.
func (b *builder) portSet(g netrules.PortGroup) string {
	name := "ports." + string(g)
	b.sets[name] = set{name: name, key: keyPort, fixed: portElements(g.Ports())}
	return name
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
