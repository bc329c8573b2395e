package ipset

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// membersPerMessage keeps the list of members within the 64 KiB that an attribute
// can have.
const membersPerMessage = 1000

// change sends members in as few messages as possible.
func (c *Conn) change(what string, cmd uint16, name string, members []netip.Prefix) error {
	for part := range slices.Chunk(members, membersPerMessage) {
		e := encoder()
		e.String(attrSetName, name)
		e.Uint32(attrLineNo, 0)
		e.Bytes(attrADT|nested, encodeMembers(part))
		if err := c.order(what+" IP set "+name, cmd, 0, e); err != nil {
			return fmt.Errorf("%w: members %s to %s", err, part[0], part[len(part)-1])
		}
	}
	return nil
}

// encodeMembers is written by hand: it is the bulk of all that is sent.
func encodeMembers(members []netip.Prefix) []byte {
	const bytesPerMember = 48
	b := make([]byte, 0, len(members)*bytesPerMember)
	for line, m := range members {
		addr, kind := m.Addr().AsSlice(), uint16(ipV4|netOrder)
		if m.Addr().Is6() {
			kind = ipV6 | netOrder
		}
		cidr := 8
		if m.IsSingleIP() {
			cidr = 0 // sets of addresses take no prefix length, sets of networks need none then
		}
		b = attr(b, attrData|nested, 4+4+len(addr)+cidr+8)
		b = attr(b, dataIP|nested, 4+len(addr))
		b = append(attr(b, kind, len(addr)), addr...)
		if cidr > 0 {
			b = append(attr(b, dataCIDR, 1), byte(m.Bits()), 0, 0, 0)
		}
		b = binary.BigEndian.AppendUint32(attr(b, attrLineNo|netOrder, 4), uint32(line))
	}
	return b
}

// attr appends the header of an attribute with a payload of n bytes.
func attr(b []byte, typ uint16, n int) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+n))
	return binary.NativeEndian.AppendUint16(b, typ)
}

// Headers lists all sets without their members.
func (c *Conn) Headers() ([]Set, error) {
	e := encoder()
	e.Bytes(attrFlags|netOrder, binary.BigEndian.AppendUint32(nil, flagListHeader))
	msgs, err := c.ask(cmdList, netlink.Dump, e)
	if err != nil {
		return nil, fmt.Errorf("list IP sets: %w", err)
	}
	sets := make([]Set, 0, len(msgs))
	for _, m := range msgs {
		s, err := parseHeader(m.Data)
		if err != nil {
			return nil, fmt.Errorf("list IP sets: %w", err)
		}
		sets = append(sets, s)
	}
	return sets, nil
}

func parseHeader(msg []byte) (Set, error) {
	var s Set
	err := eachAttr(msg, func(d *netlink.AttributeDecoder) {
		switch d.Type() {
		case attrSetName:
			s.Name = d.String()
		case attrTypeName:
			s.Type = d.String()
		case attrFamily:
			s.V6 = d.Uint8() == unix.AF_INET6
		case attrData:
			d.Nested(func(n *netlink.AttributeDecoder) error {
				n.ByteOrder = binary.BigEndian
				for n.Next() {
					switch n.Type() {
					case dataMaxElem:
						s.MaxElem = n.Uint32()
					case dataElements:
						s.Count = n.Uint32()
					case dataReferences:
						s.References = n.Uint32()
					}
				}
				return nil
			})
		}
	})
	return s, err
}

func eachAttr(msg []byte, each func(*netlink.AttributeDecoder)) error {
	if len(msg) < 4 {
		return fmt.Errorf("message of %d bytes is too short", len(msg))
	}
	d, err := netlink.NewAttributeDecoder(msg[4:])
	if err != nil {
		return err
	}
	for d.Next() {
		each(d)
	}
	return d.Err()
}

// Members reads a set.
func (c *Conn) Members(name string) ([]netip.Prefix, error) {
	e := encoder()
	e.String(attrSetName, name)
	msgs, err := c.ask(cmdList, netlink.Dump, e)
	if err != nil {
		return nil, fmt.Errorf("read IP set %s: %w", name, err)
	}
	var members []netip.Prefix
	for _, m := range msgs {
		err := eachAttr(m.Data, func(d *netlink.AttributeDecoder) {
			if d.Type() == attrADT {
				d.Nested(func(list *netlink.AttributeDecoder) error {
					for list.Next() {
						members = append(members, decodeMember(list.Bytes()))
					}
					return nil
				})
			}
		})
		if err != nil {
			return nil, fmt.Errorf("read IP set %s: %w", name, err)
		}
	}
	return members, nil
}

// decodeMember returns the zero Prefix for a member that is no address or network.
func decodeMember(b []byte) netip.Prefix {
	var addr netip.Addr
	bits := -1
	walk(b, func(typ uint16, data []byte) {
		switch typ {
		case dataIP:
			walk(data, func(_ uint16, ip []byte) { addr, _ = netip.AddrFromSlice(ip) })
		case dataCIDR:
			if len(data) > 0 {
				bits = int(data[0])
			}
		}
	})
	if bits < 0 {
		bits = addr.BitLen()
	}
	return netip.PrefixFrom(addr, bits)
}

// walk calls each with every attribute, its type without flags.
func walk(b []byte, each func(typ uint16, data []byte)) {
	for len(b) >= 4 {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return
		}
		each(binary.NativeEndian.Uint16(b[2:])&^(nested|netOrder), b[4:n])
		b = b[min(len(b), (n+3)&^3):]
	}
}
