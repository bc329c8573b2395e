package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Registers: 1 and 2 hold 16 bytes each; 9 is the second 4-byte part of 1.
const (
	reg1     = 1
	reg2     = 2
	regPart2 = 9
)

// program builds the expressions of one rule, as the kernel takes them.
type program struct {
	exprs [][]byte
	err   error
}

func (p *program) add(exprs ...expr.Any) *program {
	for _, e := range exprs {
		b, err := expr.Marshal(familyInet, e)
		if err != nil && p.err == nil {
			p.err = fmt.Errorf("encode %T: %w", e, err)
		}
		p.exprs = append(p.exprs, b)
	}
	return p
}

func (p *program) cmp(op expr.CmpOp, data []byte) *program {
	return p.add(&expr.Cmp{Op: op, Register: reg1, Data: data})
}

// tcp matches TCP of one IP family.
func (p *program) tcp(v6 bool) *program {
	proto := byte(unix.NFPROTO_IPV4)
	if v6 {
		proto = unix.NFPROTO_IPV6
	}
	p.add(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg1}).cmp(expr.CmpOpEq, []byte{proto})
	return p.l4tcp()
}

func (p *program) l4tcp() *program {
	return p.add(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg1}).cmp(expr.CmpOpEq, []byte{unix.IPPROTO_TCP})
}

func address(v6, source bool, reg uint32) *expr.Payload {
	load := &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}
	if v6 {
		load.Offset, load.Len = 24, 16
	}
	if source && v6 {
		load.Offset = 8
	} else if source {
		load.Offset = 12
	}
	return load
}

func destinationPort(reg uint32) *expr.Payload {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}
}

func lookup(set string) *expr.Lookup { return &expr.Lookup{SourceRegister: reg1, SetName: set} }

func (p *program) to(v6 bool, set string) *program {
	return p.add(address(v6, false, reg1), lookup(set))
}

func (p *program) ports(set string) *program { return p.add(destinationPort(reg1), lookup(set)) }

func (p *program) portsNot(set string) *program {
	l := lookup(set)
	l.Invert = true
	return p.add(destinationPort(reg1), l)
}

func (p *program) port(n uint16) *program {
	return p.add(destinationPort(reg1)).cmp(expr.CmpOpEq, binary.BigEndian.AppendUint16(nil, n))
}

// toPair matches destination address and port together.
func (p *program) toPair(v6 bool, set string) *program {
	second := uint32(regPart2)
	if v6 {
		second = reg2
	}
	return p.add(address(v6, false, reg1), destinationPort(second), lookup(set))
}

// toLoopback matches destinations in 127.0.0.0/8, and ::1.
func (p *program) toLoopback(v6 bool) *program {
	if v6 {
		return p.add(address(v6, false, reg1)).cmp(expr.CmpOpEq, netip.IPv6Loopback().AsSlice())
	}
	return p.add(address(v6, false, reg1), &expr.Bitwise{
		SourceRegister: reg1, DestRegister: reg1, Len: 4, Mask: []byte{0xff, 0, 0, 0}, Xor: make([]byte, 4),
	}).cmp(expr.CmpOpEq, []byte{127, 0, 0, 0})
}

func (p *program) interfaceIs(key expr.MetaKey, name string) *program {
	return p.compareInterface(expr.CmpOpEq, key, name)
}

func (p *program) interfaceIsNot(key expr.MetaKey, name string) *program {
	return p.compareInterface(expr.CmpOpNeq, key, name)
}

func (p *program) compareInterface(op expr.CmpOp, key expr.MetaKey, name string) *program {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return p.add(&expr.Meta{Key: key, Register: reg1}).cmp(op, padded)
}

func (p *program) replyDirection() *program {
	return p.add(&expr.Ct{Key: expr.CtKeyDIRECTION, Register: reg1}).cmp(expr.CmpOpEq, []byte{1})
}

// ctBits matches when one of the bits of a 4-byte connection tracking key is set.
func (p *program) ctBits(key expr.CtKey, bits uint32) *program {
	return p.add(&expr.Ct{Key: key, Register: reg1}, &expr.Bitwise{
		SourceRegister: reg1, DestRegister: reg1, Len: 4,
		Mask: binary.NativeEndian.AppendUint32(nil, bits), Xor: make([]byte, 4),
	}).cmp(expr.CmpOpNeq, make([]byte, 4))
}

// ctOriginal loads a key of the connection's first direction. The library encodes
// the direction with four bytes, of which the kernel complains in its log.
func (p *program) ctOriginal(key uint32) *program {
	var a attrs
	a.str(unix.NFTA_EXPR_NAME, "ct")
	a.nest(unix.NFTA_EXPR_DATA, func(a *attrs) {
		a.u32(unix.NFTA_CT_KEY, key)
		a.u32(unix.NFTA_CT_DREG, reg1)
		a.bytes(unix.NFTA_CT_DIRECTION, []byte{0})
	})
	p.exprs = append(p.exprs, a.b)
	return p
}

func (p *program) originallyTo(v6 bool, set string) *program {
	key := uint32(unix.NFT_CT_DST_IP)
	if v6 {
		key = unix.NFT_CT_DST_IP6
	}
	return p.ctOriginal(key).add(lookup(set))
}

func (p *program) originallyPorts(set string) *program {
	return p.ctOriginal(unix.NFT_CT_PROTO_DST).add(lookup(set))
}

func (p *program) dnat(to netip.AddrPort) *program {
	family := uint32(unix.NFPROTO_IPV4)
	if to.Addr().Is6() {
		family = unix.NFPROTO_IPV6
	}
	return p.add(
		&expr.Immediate{Register: reg1, Data: to.Addr().AsSlice()},
		&expr.Immediate{Register: reg2, Data: binary.BigEndian.AppendUint16(nil, to.Port())},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: family, RegAddrMin: reg1, RegProtoMin: reg2},
	)
}

func (p *program) masquerade() *program { return p.add(&expr.Masq{}) }

func (p *program) count(counter string) *program {
	return p.add(&expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: counter})
}

func (p *program) verdict(v expr.VerdictKind) *program { return p.add(&expr.Verdict{Kind: v}) }

func (p *program) jump(chain string) *program {
	return p.add(&expr.Verdict{Kind: expr.VerdictJump, Chain: chain})
}

func (p *program) reset() *program { return p.add(&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}) }
