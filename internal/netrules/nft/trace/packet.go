package trace

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Packet is a TCP packet that begins its way on a host.
type Packet struct {
	From, To netip.AddrPort
	// In is the interface by which it arrives; empty: the host's own process sends it.
	In string
	// Established packets belong to a connection that is open.
	Established bool
	// Reply packets go in the reply direction of their connection.
	Reply bool
	// Dialled is the destination of the connection's first packet, and Redirected
	// where the connection was redirected to then. Zero for a new connection.
	Dialled, Redirected netip.AddrPort
	// UDP packets are none of ours.
	UDP bool
}

// Host is what a kernel knows besides the rules.
type Host struct {
	Kernel *Kernel
	Local  []netip.Addr
}

// Action is what becomes of a packet.
type Action string

// Actions.
const (
	Accept Action = "accept"
	Drop   Action = "drop"
	Reset  Action = "reset"
)

// Result of a packet's way through the host.
type Result struct {
	Action Action
	// Chain and Rule decided to drop or to reset.
	Chain, Rule string
	// DNAT is the destination that a rule gave the connection; zero: none did.
	DNAT        netip.AddrPort
	Masqueraded bool
}

// walk is a packet on its way.
type walk struct {
	kernel *Kernel
	host   Host
	p      Packet
	// to, in and out are the destination and the interfaces at the present hook.
	to      netip.AddrPort
	in, out string
	// decided says that the destination's rewriting is decided, also if by no rule.
	decided bool
	result  Result
}

// away is the interface by which packets to others leave.
const away = "eth0"

// Trace follows a packet: prerouting or output, the routing decision, forward,
// postrouting. What a host sends to itself arrives by its loopback interface.
func (h Host) Trace(p Packet) Result {
	w := &walk{kernel: h.Kernel, host: h, p: p, to: p.To, in: p.In, result: Result{Action: Accept}}
	hooks := []uint32{unix.NF_INET_PRE_ROUTING}
	if p.In == "" {
		hooks = []uint32{unix.NF_INET_LOCAL_OUT}
		w.route()
	}
	for len(hooks) > 0 {
		hook := hooks[0]
		hooks = hooks[1:]
		if !w.pass(hook) {
			return w.result
		}
		w.route()
		switch {
		case hook == unix.NF_INET_PRE_ROUTING && h.isLocal(w.to.Addr()):
			hooks = []uint32{unix.NF_INET_LOCAL_IN}
		case hook == unix.NF_INET_PRE_ROUTING:
			hooks = []uint32{unix.NF_INET_FORWARD, unix.NF_INET_POST_ROUTING}
		case hook == unix.NF_INET_LOCAL_OUT:
			hooks = []uint32{unix.NF_INET_POST_ROUTING}
		case hook == unix.NF_INET_POST_ROUTING && w.out == "lo":
			w.in, w.out = "lo", ""
			hooks = []uint32{unix.NF_INET_PRE_ROUTING}
		}
	}
	return w.result
}

func (h Host) isLocal(a netip.Addr) bool { return a.IsLoopback() || slices.Contains(h.Local, a) }

func (w *walk) route() {
	w.out = away
	if w.host.isLocal(w.to.Addr()) {
		w.out = "lo"
	}
}

// pass runs the chains of a hook in order of priority and tells whether the packet
// goes on.
func (w *walk) pass(hook uint32) bool {
	for _, name := range w.kernel.at(hook) {
		if w.kernel.Chains[name].Type == "nat" && !w.asksNAT(hook) {
			continue
		}
		switch w.chain(name) {
		case drop:
			w.result.Action = Drop
			return false
		case reset:
			w.result.Action = Reset
			return false
		}
	}
	return true
}

// asksNAT tells whether the packet goes through a nat chain: the first of its
// connection does, once for the destination. With later ones the kernel does again
// what was decided, at the place of the first such chain.
func (w *walk) asksNAT(hook uint32) bool {
	if w.p.Established || w.p.Reply {
		if hook != unix.NF_INET_POST_ROUTING && w.p.Redirected.IsValid() && !w.p.Reply {
			w.to = w.p.Redirected
		}
		return false
	}
	if hook == unix.NF_INET_POST_ROUTING {
		return true
	}
	first := !w.decided
	w.decided = true
	return first
}

func (k *Kernel) at(hook uint32) []string {
	var names []string
	for name, c := range k.Chains {
		if c.Base && c.Hook == hook {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return int(k.Chains[a].Priority - k.Chains[b].Priority) })
	return names
}

// chain returns accept, drop, reset, or next when it comes to its end.
func (w *walk) chain(name string) verdict {
	for _, r := range w.kernel.Chains[name].Rules {
		v, to := w.rule(r)
		if v == jump {
			v = w.chain(to)
			if v == next || v == back {
				continue
			}
			return v
		}
		switch v {
		case next, mismatch:
			continue
		case drop, reset:
			w.result.Chain, w.result.Rule = name, r.Comment
		}
		return v
	}
	return next
}

func (w *walk) rule(r Rule) (verdict, string) {
	var regs registers
	for i := range regs {
		regs[i] = 0xa5 // nobody may rely on what an earlier rule left
	}
	for _, e := range r.exprs {
		if v, chain := w.run(e, &regs); v != next {
			return v, chain
		}
	}
	return next, ""
}

// ip is the packet's IP header, with the destination that it has by now.
func (w *walk) ip() []byte {
	from, to := w.p.From.Addr().AsSlice(), w.to.Addr().AsSlice()
	if w.to.Addr().Is4() {
		header := make([]byte, 20)
		header[0], header[9] = 0x45, w.protocol()
		copy(header[12:], from)
		copy(header[16:], to)
		return header
	}
	header := make([]byte, 40)
	header[0], header[6] = 0x60, w.protocol()
	copy(header[8:], from)
	copy(header[24:], to)
	return header
}

func (w *walk) tcp() []byte {
	header := binary.BigEndian.AppendUint16(nil, w.p.From.Port())
	header = binary.BigEndian.AppendUint16(header, w.to.Port())
	return append(header, make([]byte, 16)...)
}

func (w *walk) protocol() byte {
	if w.p.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

func (w *walk) meta(key uint32) []byte {
	name := func(s string) []byte {
		b := make([]byte, unix.IFNAMSIZ)
		copy(b, s)
		return b
	}
	switch key {
	case unix.NFT_META_NFPROTO:
		if w.to.Addr().Is4() {
			return []byte{unix.NFPROTO_IPV4}
		}
		return []byte{unix.NFPROTO_IPV6}
	case unix.NFT_META_L4PROTO:
		return []byte{w.protocol()}
	case unix.NFT_META_IIFNAME:
		return name(w.in)
	case unix.NFT_META_OIFNAME:
		return name(w.out)
	}
	panic("meta key that is not one of ours")
}

// conntrack answers from the connection's entry.
func (w *walk) conntrack(key uint32) []byte {
	original := w.p.To
	if w.p.Dialled.IsValid() {
		original = w.p.Dialled
	}
	const isNew, established, destinationNAT = 1 << 3, 1 << 1, 1 << 5
	switch key {
	case unix.NFT_CT_STATE:
		if w.p.Established {
			return binary.NativeEndian.AppendUint32(nil, established)
		}
		return binary.NativeEndian.AppendUint32(nil, isNew)
	case unix.NFT_CT_STATUS:
		status := uint32(0)
		if w.p.Redirected.IsValid() || w.result.DNAT.IsValid() {
			status = destinationNAT
		}
		return binary.NativeEndian.AppendUint32(nil, status)
	case unix.NFT_CT_DIRECTION:
		if w.p.Reply {
			return []byte{1}
		}
		return []byte{0}
	case unix.NFT_CT_DST_IP, unix.NFT_CT_DST_IP6:
		if original.Addr().Is6() != (key == unix.NFT_CT_DST_IP6) {
			return slices.Repeat([]byte{math.MaxUint8}, 16)
		}
		return original.Addr().AsSlice()
	case unix.NFT_CT_PROTO_DST:
		return binary.BigEndian.AppendUint16(nil, original.Port())
	}
	panic("conntrack key that is not one of ours")
}

// addressType is the kernel's type of the destination address.
func (w *walk) addressType(result, flags uint32) []byte {
	if result != unix.NFT_FIB_RESULT_ADDRTYPE || flags != unix.NFTA_FIB_F_DADDR {
		panic("fib question that is not one of ours")
	}
	typ := uint32(unix.RTN_UNICAST)
	if w.host.isLocal(w.to.Addr()) {
		typ = unix.RTN_LOCAL
	}
	return binary.NativeEndian.AppendUint32(nil, typ)
}
