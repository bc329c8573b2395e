package routes

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// claim is an edge node's word that an address is its own.
type claim struct {
	addr    netip.Addr
	finding Finding
}

// claims knows for every edge node which of its addresses it may use.
type claims struct {
	facts        *facts
	used         map[string][]netip.Addr // by node name
	claimants    map[netip.Addr][]*Node
	reservations map[netip.Addr]string
	enrolled     map[string][]netip.Addr
	retired      map[string]bool
}

func newClaims(in Input, f *facts) *claims {
	c := &claims{
		facts:        f,
		used:         make(map[string][]netip.Addr, len(in.Nodes)),
		claimants:    make(map[netip.Addr][]*Node, len(in.Nodes)),
		reservations: in.Reservations,
		enrolled:     in.Enrolled,
		retired:      in.Retired,
	}
	for i := range in.Nodes {
		node := &in.Nodes[i]
		if !node.Edge {
			continue
		}
		used := usedAddresses(node)
		c.used[node.Name] = used
		for _, addr := range used {
			if c.foreign(node, addr) {
				continue // it has no claim
			}
			c.claimants[addr] = append(c.claimants[addr], node)
		}
	}
	for addr, nodes := range c.claimants {
		if len(nodes) > 1 {
			c.order(addr, nodes)
		}
	}
	return c
}

// foreign says that a node's enrollments are for other addresses than this. A device takes
// part in writing its own Node, and its enrollment is what an admin decided.
func (c *claims) foreign(node *Node, addr netip.Addr) bool {
	enrolled, found := c.enrolled[node.Name]
	return found && !slices.Contains(enrolled, addr)
}

// usedAddresses are a node's first address of each IP family, which are the ones
// that anybody dials. A node cannot claim an unbounded number of addresses.
func usedAddresses(node *Node) []netip.Addr {
	var used []netip.Addr
	for _, text := range node.Addresses {
		addr, err := parseAddr(text)
		if err != nil {
			continue
		}
		sameFamily := func(other netip.Addr) bool { return other.Is4() == addr.Is4() }
		if !slices.ContainsFunc(used, sameFamily) {
			used = append(used, addr)
		}
	}
	return used
}

// order puts the holder of an address first. It goes by the objects alone, so that
// every replica and every restart finds the same holder. The node for which an
// enrollment holds the address comes first and a retired device that came back comes
// last. Between equals the older node wins, then the UID, which nobody can choose.
func (c *claims) order(addr netip.Addr, nodes []*Node) {
	reserved, hasReservation := c.reservations[addr]
	rank := func(n *Node) int {
		switch {
		case hasReservation && n.Name == reserved:
			return 0
		case c.retired[n.Name]:
			return 2
		}
		return 1
	}
	slices.SortFunc(nodes, func(a, b *Node) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			a.Created.Compare(b.Created),
			strings.Compare(a.UID, b.UID),
			strings.Compare(a.Name, b.Name),
		)
	})
}

// ofNode judges the addresses of an edge node, the one that is dialled first
// coming first.
func (c *claims) ofNode(node *Node) []claim {
	out := make([]claim, 0, 2)
	for _, addr := range c.used[node.Name] {
		out = append(out, claim{addr: addr, finding: c.judge(node, addr)})
	}
	if len(out) == 0 && len(node.Addresses) > 0 {
		out = append(out, claim{finding: refusal(ReasonAddressInvalid, fmt.Sprintf(
			"InternalIP %q is no IP address. Correct EdgeCore's modules.edged.nodeIP.", clip(node.Addresses[0])))})
	}
	return out
}

func (c *claims) judge(node *Node, addr netip.Addr) Finding {
	if finding, refused := refuse(addr, c.facts); refused {
		return finding
	}
	if c.foreign(node, addr) {
		return refusal(ReasonAddressNotEnrolled, fmt.Sprintf(
			"Address %s is not redirected, since the node's enrollment is for %s. Set EdgeCore's modules.edged.nodeIP to that, or enroll the node anew.",
			addr, addrList(c.enrolled[node.Name])))
	}
	claimants := c.claimants[addr]
	if len(claimants) == 1 {
		// The address stands in the Node already; to repeat it would be one more write
		// of the Node for every change of it.
		return working(ReasonRouted, "Requests to the node's address are redirected to CloudCore.")
	}
	if holder := claimants[0]; holder != node {
		return refusal(ReasonAddressConflict, fmt.Sprintf(
			"Address %s belongs to edge node %s. Give this node another address, or remove the other node.", addr, holder.Name))
	}
	return working(ReasonAddressShared, fmt.Sprintf(
		"Requests to %s are redirected to CloudCore, but %s it too: direct scrapes may get another node's metrics. Give each node an address of its own.",
		addr, claimVerb(claimants[1:])))
}

func addrList(addrs []netip.Addr) string {
	texts := make([]string, 0, len(addrs))
	for _, addr := range addrs {
		texts = append(texts, addr.String())
	}
	return nameSome(texts)
}

// claimVerb names up to three other claimants: messages are stored on a Node, and
// a mistake may give one address to thousands.
func claimVerb(others []*Node) string {
	const most = 3
	names := make([]string, 0, most)
	for _, other := range others[:min(len(others), most)] {
		names = append(names, other.Name)
	}
	list := strings.Join(names, ", ")
	switch {
	case len(others) > most:
		return fmt.Sprintf("edge nodes %s and %d more claim", list, len(others)-most)
	case len(others) > 1:
		return fmt.Sprintf("edge nodes %s claim", list)
	}
	return fmt.Sprintf("edge node %s claims", list)
}

// clip bounds what a foreign value adds to a message.
func clip(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
