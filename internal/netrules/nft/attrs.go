package nft

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

var errShortAttr = errors.New("truncated netlink attribute")

// attrs builds netlink attributes in place: a set of 100,000 elements is encoded
// without a slice per element.
type attrs struct{ b []byte }

func (a *attrs) bytes(typ uint16, data []byte) {
	a.header(typ, 4+len(data))
	a.b = append(a.b, data...)
	a.pad()
}

// data adds bytes that are kept in a string.
func (a *attrs) data(typ uint16, s string) {
	a.header(typ, 4+len(s))
	a.b = append(a.b, s...)
	a.pad()
}

func (a *attrs) str(typ uint16, s string) {
	a.header(typ, 4+len(s)+1)
	a.b = append(a.b, s...)
	a.b = append(a.b, 0)
	a.pad()
}

// u32 adds a number in network order, as nf_tables wants all of them.
func (a *attrs) u32(typ uint16, v uint32) {
	a.header(typ, 8)
	a.b = binary.BigEndian.AppendUint32(a.b, v)
}

func (a *attrs) nest(typ uint16, fill func(*attrs)) {
	start := len(a.b)
	a.header(typ|unix.NLA_F_NESTED, 0)
	fill(a)
	binary.NativeEndian.PutUint16(a.b[start:], uint16(len(a.b)-start))
}

func (a *attrs) header(typ uint16, length int) {
	a.b = binary.NativeEndian.AppendUint16(a.b, uint16(length))
	a.b = binary.NativeEndian.AppendUint16(a.b, typ)
}

func (a *attrs) pad() {
	for len(a.b)%4 != 0 {
		a.b = append(a.b, 0)
	}
}

// eachAttr calls f for every attribute in b, without the flags of its type.
func eachAttr(b []byte, f func(typ uint16, data []byte) error) error {
	for len(b) >= 4 {
		length := int(binary.NativeEndian.Uint16(b))
		typ := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		if length < 4 || length > len(b) {
			return errShortAttr
		}
		if err := f(typ, b[4:length]); err != nil {
			return err
		}
		b = b[min(len(b), (length+3)&^3):]
	}
	return nil
}

func attrString(data []byte) string {
	for i, c := range data {
		if c == 0 {
			return string(data[:i])
		}
	}
	return string(data)
}

func attrU32(data []byte) uint32 {
	if len(data) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(data)
}
