package netrules

import (
	"context"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// PortGroup is a set of TCP ports in a canonical form that doubles as a name:
// ascending decimal numbers joined by "-", such as "10250-10350".
type PortGroup string

// NewPortGroup makes a PortGroup; the order of ports and repetitions do not matter.
func NewPortGroup(ports []int32) PortGroup {
	sorted := slices.Clone(ports)
	slices.Sort(sorted)
	buf := make([]byte, 0, 6*len(sorted))
	for i, p := range slices.Compact(sorted) {
		if i > 0 {
			buf = append(buf, '-')
		}
		buf = strconv.AppendInt(buf, int64(p), 10)
	}
	return PortGroup(buf)
}

// Ports lists the ports in ascending order.
func (g PortGroup) Ports() []uint16 {
	if g == "" {
		return nil
	}
	var ports []uint16
	for text := range strings.SplitSeq(string(g), "-") {
		if p, err := strconv.ParseUint(text, 10, 16); err == nil {
			ports = append(ports, uint16(p))
		}
	}
	return ports
}

// Key says how one edge address is routed: the ports of Group go to the
// CloudCore Target. An empty Target means that no CloudCore holds the node's
// tunnel.
type Key struct {
	Group  PortGroup
	Target string
}

// Target is one CloudCore, as the kernel needs it.
type Target struct {
	ID string
	// TunnelPort is 0 when no kubelet port stands for this CloudCore.
	TunnelPort uint16
	// V4 and V6 are where connections end; the zero AddrPort means nowhere.
	V4, V6 netip.AddrPort
}

// Endpoint is where connections of one IP family end, invalid when nowhere.
func (t Target) Endpoint(v6 bool) netip.AddrPort {
	if v6 {
		return t.V6
	}
	return t.V4
}

// Group is a Key that at least one edge address has, and the families of those
// addresses.
type Group struct {
	Key
	V4, V6 bool
}

// Has tells whether an address of the family has this Key.
func (g Group) Has(v6 bool) bool {
	if v6 {
		return g.V6
	}
	return g.V4
}

// Rules is all that the kernel must hold except the edge addresses. It is small
// however many edge nodes there are.
type Rules struct {
	// Groups in order of Group and Target.
	Groups []Group
	// Targets in order of ID.
	Targets []Target
	Guard   Guard
}

// Target finds a target by its ID.
func (r Rules) Target(id string) (Target, bool) {
	i := slices.IndexFunc(r.Targets, func(t Target) bool { return t.ID == id })
	if i < 0 {
		return Target{}, false
	}
	return r.Targets[i], true
}

// KnownPorts lists the ports that mean something on an edge address, ascending:
// those of every group and every tunnel port.
func (r Rules) KnownPorts() []uint16 {
	var ports []uint16
	for _, g := range r.Groups {
		ports = append(ports, g.Group.Ports()...)
	}
	for _, t := range r.Targets {
		if t.TunnelPort != 0 {
			ports = append(ports, t.TunnelPort)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// Move is an edge address whose routing changed. A nil From or To means that
// the address had, or has, no route at all.
type Move struct {
	Addr     netip.Addr
	From, To *Key
}

// Plan is what a kernel should hold.
type Plan struct {
	Rules Rules
	// RulesVersion differs whenever Rules does.
	RulesVersion uint64
	// Moves since the last Commit of the Model, in no order.
	Moves []Move
	// Members are all routed addresses. It may only be used until the Model changes.
	Members iter.Seq2[netip.Addr, Key]
	// Lookup finds one of Members, under the same condition.
	Lookup func(netip.Addr) (Key, bool)
	// Count of Members.
	Count int
}

// Check says how much of a kernel's state a Backend has to read before it
// trusts its own memory of it.
type Check int

// The levels of Check, from cheap to thorough.
const (
	// Trust what the backend wrote and was notified of.
	Trust Check = iota
	// CheckRules compares rules, chains and the list of sets.
	CheckRules
	// CheckAll compares every set element too.
	CheckAll
)

// Result tells what an Apply did.
type Result struct {
	// Written is false when the kernel already held the plan.
	Written bool
	// Drift says that somebody else had changed what this backend wrote before.
	Drift bool
	// Everything says that more may have changed than the plan's Moves.
	Everything bool
}

// Counters of packets since the table was made.
type Counters struct {
	// Guarded packets were dropped by the stream guard.
	Guarded uint64
	// Unrouted packets to an edge address were dropped: no route redirected them.
	Unrouted uint64
	// Rejected packets got a TCP reset: their CloudCore has no endpoint.
	Rejected uint64
}

// Backend makes a kernel equal to a Plan.
type Backend interface {
	// Name as CloudNodeRoutes reports it.
	Name() string
	// Apply makes the kernel hold the plan, in one transaction, and writes nothing
	// when it already does. After an error the kernel holds what it held before.
	Apply(ctx context.Context, p Plan, c Check) (Result, error)
	// Disturbed receives a value after somebody else changed what the backend
	// wrote, or may have.
	Disturbed() <-chan struct{}
	// Counters reads the kernel's packet counters.
	Counters(ctx context.Context) (Counters, error)
	// Cleanup removes everything of Edgeway's from the kernel and returns the edge
	// addresses that were there. It is no error when there was nothing.
	Cleanup(ctx context.Context) ([]netip.Addr, error)
	// Close stops listening. The kernel keeps what it holds.
	Close() error
}
