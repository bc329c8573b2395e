// Package ipset changes and reads the kernel's IP sets over netlink.
//
// It sends many members in one message and reads the headers of all sets without
// their members, which is what keeps a set of a hundred thousand members cheap.
package ipset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Types of sets.
const (
	HashIP  = "hash:ip"
	HashNet = "hash:net"
)

// MaxName is the longest name of a set in bytes.
const MaxName = 31

// Errors of the kernel, for errors.Is.
const (
	// ErrBusy: a rule uses the set.
	ErrBusy = syscall.Errno(4100)
	// ErrFull: the set has as many members as it may have.
	ErrFull = syscall.Errno(4352)
	// ErrNoType: the kernel has no such type of set.
	ErrNoType = syscall.Errno(4098)
)

// Set is the header of a set.
type Set struct {
	Name, Type string
	V6         bool
	// MaxElem is how many members it may have.
	MaxElem uint32
	// Count of members, and References by rules; the kernel's, not for Create.
	Count, References uint32
}

// Same tells whether two headers describe the same kind of set.
func (s Set) Same(other Set) bool {
	return s.Name == other.Name && s.Type == other.Type && s.V6 == other.V6 && s.MaxElem == other.MaxElem
}

// Numbers of the kernel's interface, linux/netfilter/ipset/ip_set.h.
const (
	protocol = 6

	cmdProtocol = 1
	cmdCreate   = 2
	cmdDestroy  = 3
	cmdSwap     = 6
	cmdList     = 7
	cmdAdd      = 9
	cmdDel      = 10

	attrProtocol = 1
	attrSetName  = 2
	attrTypeName = 3 // of create; the second set's name of swap
	attrRevision = 4
	attrFamily   = 5
	attrFlags    = 6
	attrData     = 7
	attrADT      = 8
	attrLineNo   = 9

	dataIP         = 1
	dataCIDR       = 3
	dataMaxElem    = 19
	dataElements   = 24
	dataReferences = 25
	ipV4, ipV6     = 1, 2

	flagListHeader = 1 << 2

	nested   = unix.NLA_F_NESTED
	netOrder = unix.NLA_F_NET_BYTEORDER
)

// Conn is a connection to the kernel's IP sets. It serves one caller at a time.
type Conn struct{ nl *netlink.Conn }

// Dial connects in a network namespace given by its file descriptor, 0 for the
// process's own, and asks for the kernel's version of the protocol.
func Dial(netNS int) (*Conn, error) {
	nl, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: netNS})
	if err != nil {
		return nil, fmt.Errorf("open netlink to netfilter: %w", err)
	}
	c := &Conn{nl: nl}
	msgs, err := c.ask(cmdProtocol, 0, encoder())
	if err != nil || len(msgs) == 0 {
		return nil, errors.Join(fmt.Errorf("the kernel has no IP sets: %w", orNothing(err)), nl.Close())
	}
	return c, nil
}

func orNothing(err error) error {
	if err == nil {
		return errors.New("no answer")
	}
	return err
}

// Close ends the connection.
func (c *Conn) Close() error { return c.nl.Close() }

// Create makes an empty set. It is an error when there is one of that name.
func (c *Conn) Create(s Set) error {
	if len(s.Name) > MaxName {
		return fmt.Errorf("IP set name %q has %d bytes; %d are possible", s.Name, len(s.Name), MaxName)
	}
	e := encoder()
	e.String(attrSetName, s.Name)
	e.String(attrTypeName, s.Type)
	// The first revision knows all that is used here, and every kernel has it.
	e.Uint8(attrRevision, 0)
	e.Uint8(attrFamily, family(s.V6))
	e.Nested(attrData, func(n *netlink.AttributeEncoder) error {
		n.Bytes(dataMaxElem|netOrder, binary.BigEndian.AppendUint32(nil, s.MaxElem))
		return nil
	})
	return c.order("create IP set "+s.Name, cmdCreate, netlink.Excl, e)
}

func family(v6 bool) uint8 {
	if v6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// Destroy removes a set; one that is not there is no error.
func (c *Conn) Destroy(name string) error {
	e := encoder()
	e.String(attrSetName, name)
	err := c.order("destroy IP set "+name, cmdDestroy, 0, e)
	if errors.Is(err, unix.ENOENT) { // older kernels complain
		return nil
	}
	return err
}

// Swap exchanges the content of two sets of one type; rules that name a see what
// b held, from one packet to the next.
func (c *Conn) Swap(a, b string) error {
	e := encoder()
	e.String(attrSetName, a)
	e.String(attrTypeName, b)
	return c.order("swap IP sets "+a+" and "+b, cmdSwap, 0, e)
}

// Add puts members into a set; those that it has already are no error.
func (c *Conn) Add(name string, members []netip.Prefix) error {
	return c.change("add to", cmdAdd, name, members)
}

// Delete takes members out of a set; those that it does not have are no error.
func (c *Conn) Delete(name string, members []netip.Prefix) error {
	return c.change("delete from", cmdDel, name, members)
}

// encoder begins the attributes of every request.
func encoder() *netlink.AttributeEncoder {
	e := netlink.NewAttributeEncoder()
	e.Uint8(attrProtocol, protocol)
	return e
}

func (c *Conn) order(what string, cmd uint16, flags netlink.HeaderFlags, e *netlink.AttributeEncoder) error {
	if _, err := c.ask(cmd, flags|netlink.Acknowledge, e); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (c *Conn) ask(cmd uint16, flags netlink.HeaderFlags, e *netlink.AttributeEncoder) ([]netlink.Message, error) {
	attrs, err := e.Encode()
	if err != nil {
		return nil, err
	}
	return c.send(cmd, flags, attrs)
}

func (c *Conn) send(cmd uint16, flags netlink.HeaderFlags, attrs []byte) ([]netlink.Message, error) {
	msgs, err := c.nl.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_IPSET<<8 | cmd), Flags: netlink.Request | flags},
		Data:   append([]byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0}, attrs...),
	})
	if err != nil {
		return nil, plain(err)
	}
	return msgs, nil
}

// plain replaces the library's error, which knows no texts for IP sets' own codes.
func plain(err error) error {
	var op *netlink.OpError
	if !errors.As(err, &op) {
		return err
	}
	errno, ok := op.Err.(syscall.Errno)
	if !ok {
		return err
	}
	if text, known := errorTexts[errno]; known {
		return fmt.Errorf("%s (%w)", text, errno)
	}
	return errno
}

var errorTexts = map[syscall.Errno]string{
	ErrBusy:    "a rule uses the set",
	ErrFull:    "the set is full",
	ErrNoType:  "the kernel has no such type of set",
	4099:       "the kernel holds as many sets as it can",
	4101:       "there is no such second set",
	4102:       "the two sets are not of one type",
	4104:       "the prefix length is not possible",
	4106:       "the set is of the other IP family",
	unix.EPERM: "the capability NET_ADMIN is missing",
}
