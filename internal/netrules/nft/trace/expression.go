package trace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// expression is one step of a rule.
type expression struct {
	kind string
	a    attributes
}

// expression decodes a rule's step and looks whether what it names exists.
func (k *Kernel) expression(raw []byte) (expression, error) {
	outer, err := decode(raw)
	if err != nil {
		return expression{}, err
	}
	a, err := decode(outer[unix.NFTA_EXPR_DATA])
	if err != nil {
		return expression{}, err
	}
	e := expression{kind: outer.str(unix.NFTA_EXPR_NAME), a: a}
	switch e.kind {
	case "lookup":
		if _, ok := k.Sets[a.str(unix.NFTA_LOOKUP_SET)]; !ok {
			return e, fmt.Errorf("%w: a rule asks for set %q, which is not there", ErrBadMessage, a.str(unix.NFTA_LOOKUP_SET))
		}
	case "objref":
		if _, ok := k.Counters[a.str(unix.NFTA_OBJREF_IMM_NAME)]; !ok {
			return e, fmt.Errorf("%w: no counter %q", ErrBadMessage, a.str(unix.NFTA_OBJREF_IMM_NAME))
		}
	case "ct":
		if d, ok := a[unix.NFTA_CT_DIRECTION]; ok && len(d) != 1 {
			return e, fmt.Errorf("%w: a direction of %d bytes", ErrBadMessage, len(d))
		}
	case "meta", "cmp", "payload", "bitwise", "fib", "immediate", "nat", "masq", "reject":
	default:
		return e, fmt.Errorf("%w: expression %q is not one of ours", ErrBadMessage, e.kind)
	}
	return e, nil
}

// registers of a rule's run: NFT_REG_1 to 4 have 16 bytes each, NFT_REG32_00 to 15
// are their parts.
type registers [64]byte

// verdict of an expression.
type verdict int

const (
	next verdict = iota // the next expression
	mismatch
	accept
	drop
	reset
	jump
	back
)

// at is the part of the registers that a number stands for.
func (r *registers) at(number uint32) []byte {
	switch {
	case number >= 8 && number < 24:
		return r[(number-8)*4:]
	case number >= 1 && number <= 4:
		return r[(number-1)*16:]
	}
	panic(fmt.Sprintf("register %d", number))
}

// store writes a value and clears the rest of its last 4 bytes, as the kernel does.
func (r *registers) store(number uint32, value []byte) {
	to := r.at(number)
	clear(to[:(len(value)+3)&^3])
	copy(to, value)
}

// run carries out a step for a packet at a hook.
func (w *walk) run(e expression, r *registers) (v verdict, chain string) {
	a := e.a
	switch e.kind {
	case "meta":
		r.store(a.u32(unix.NFTA_META_DREG), w.meta(a.u32(unix.NFTA_META_KEY)))
	case "payload":
		header := w.ip
		if a.u32(unix.NFTA_PAYLOAD_BASE) == unix.NFT_PAYLOAD_TRANSPORT_HEADER {
			header = w.tcp
		}
		from, n := a.u32(unix.NFTA_PAYLOAD_OFFSET), a.u32(unix.NFTA_PAYLOAD_LEN)
		r.store(a.u32(unix.NFTA_PAYLOAD_DREG), header()[from:from+n])
	case "ct":
		r.store(a.u32(unix.NFTA_CT_DREG), w.conntrack(a.u32(unix.NFTA_CT_KEY)))
	case "fib":
		r.store(a.u32(unix.NFTA_FIB_DREG), w.addressType(a.u32(unix.NFTA_FIB_RESULT), a.u32(unix.NFTA_FIB_FLAGS)))
	case "bitwise":
		from := r.at(a.u32(unix.NFTA_BITWISE_SREG))
		value := make([]byte, a.u32(unix.NFTA_BITWISE_LEN))
		mask, xor := value1(a[unix.NFTA_BITWISE_MASK]), value1(a[unix.NFTA_BITWISE_XOR])
		for i := range value {
			value[i] = from[i]&mask[i] ^ xor[i]
		}
		r.store(a.u32(unix.NFTA_BITWISE_DREG), value)
	case "cmp":
		want := value1(a[unix.NFTA_CMP_DATA])
		equal := bytes.Equal(r.at(a.u32(unix.NFTA_CMP_SREG))[:len(want)], want)
		if equal != (a.u32(unix.NFTA_CMP_OP) == unix.NFT_CMP_EQ) {
			return mismatch, ""
		}
	case "lookup":
		set := w.kernel.Sets[a.str(unix.NFTA_LOOKUP_SET)]
		found := set.has(r.at(a.u32(unix.NFTA_LOOKUP_SREG))[:set.KeyLen])
		if found == (a.u32(unix.NFTA_LOOKUP_FLAGS)&unix.NFT_LOOKUP_F_INV != 0) {
			return mismatch, ""
		}
	case "objref":
		w.kernel.Counters[a.str(unix.NFTA_OBJREF_IMM_NAME)]++
	default:
		return w.finish(e, r)
	}
	return next, ""
}

// finish carries out the steps that decide about the packet.
func (w *walk) finish(e expression, r *registers) (verdict, string) {
	a := e.a
	switch e.kind {
	case "immediate":
		data, _ := decode(a[unix.NFTA_IMMEDIATE_DATA])
		if dreg := a.u32(unix.NFTA_IMMEDIATE_DREG); dreg != unix.NFT_REG_VERDICT {
			r.store(dreg, data[unix.NFTA_DATA_VALUE])
			return next, ""
		}
		code, _ := decode(data[unix.NFTA_DATA_VERDICT])
		switch int32(code.u32(unix.NFTA_VERDICT_CODE)) {
		case unix.NFT_JUMP:
			return jump, code.str(unix.NFTA_VERDICT_CHAIN)
		case unix.NFT_RETURN:
			return back, ""
		case 0: // NF_DROP
			return drop, ""
		}
	case "nat":
		n := 4
		if a.u32(unix.NFTA_NAT_FAMILY) == unix.NFPROTO_IPV6 {
			n = 16
		}
		addr, _ := netip.AddrFromSlice(r.at(a.u32(unix.NFTA_NAT_REG_ADDR_MIN))[:n])
		port := binary.BigEndian.Uint16(r.at(a.u32(unix.NFTA_NAT_REG_PROTO_MIN)))
		if a.u32(unix.NFTA_NAT_TYPE) == unix.NFT_NAT_DNAT && addr.Is6() == w.p.To.Addr().Is6() {
			w.result.DNAT = netip.AddrPortFrom(addr, port)
			w.to = w.result.DNAT
		}
		return accept, ""
	case "masq":
		w.result.Masqueraded = true
		return accept, ""
	case "reject":
		if a.u32(unix.NFTA_REJECT_TYPE) == unix.NFT_REJECT_TCP_RST {
			return reset, ""
		}
	}
	panic(fmt.Sprintf("%s %v is not one of ours", e.kind, a))
}

func value1(raw []byte) []byte {
	data, _ := decode(raw)
	return data[unix.NFTA_DATA_VALUE]
}

// has looks a key up. In an interval set the greatest element that is not greater
// than the key decides: it starts an interval or ends one.
func (s *Set) has(key []byte) bool {
	if !s.Interval {
		_, ok := s.Elements[string(key)]
		return ok
	}
	best, starts := "", false
	for e, end := range s.Elements {
		if e <= string(key) && e >= best {
			best, starts = e, !end
		}
	}
	return starts
}
