package nft

import (
	"encoding/binary"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// batch is one transaction: messages about table inet edgeway, encoded one after
// the other as the kernel takes them.
type batch struct {
	b []byte
	// last is where the last message starts; 0 while there is none.
	last int
	// elements counts those added and deleted.
	elements int
}

func (b *batch) empty() bool { return b.last == 0 }

// add appends a message about table inet edgeway.
func (b *batch) add(cmd uint16, flags netlink.HeaderFlags, fill func(*attrs)) {
	if b.empty() {
		b.edge(unix.NFNL_MSG_BATCH_BEGIN)
	}
	b.last = len(b.b)
	b.b = appendMessage(b.b, unix.NFNL_SUBSYS_NFTABLES<<8|cmd, flags, familyInet, 0, fill)
}

// edge begins or ends the transaction.
func (b *batch) edge(typ uint16) {
	b.b = appendMessage(b.b, typ, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, func(*attrs) {})
}

// finish completes the transaction and returns its bytes. All messages have one
// sequence number: whichever fails is the answer to the whole. An acknowledgment is
// asked of the last one only, and says that everything was committed.
func (b *batch) finish(seq uint32) []byte {
	flags := binary.NativeEndian.Uint16(b.b[b.last+6:])
	binary.NativeEndian.PutUint16(b.b[b.last+6:], flags|uint16(netlink.Acknowledge))
	b.edge(unix.NFNL_MSG_BATCH_END)
	for at := 0; at < len(b.b); at += int(binary.NativeEndian.Uint32(b.b[at:])) {
		binary.NativeEndian.PutUint32(b.b[at+8:], seq)
	}
	return b.b
}

// request is a message outside of a transaction.
func request(cmd uint16, flags netlink.HeaderFlags, seq uint32, fill func(*attrs)) []byte {
	b := appendMessage(nil, unix.NFNL_SUBSYS_NFTABLES<<8|cmd, flags, familyInet, 0, fill)
	binary.NativeEndian.PutUint32(b[8:], seq)
	return b
}

// appendMessage adds a netlink message with netfilter's header: family, version and
// resource. Its length is a multiple of 4, since that of every attribute is.
func appendMessage(b []byte, typ uint16, flags netlink.HeaderFlags, family byte, resource uint16, fill func(*attrs)) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, uint16(netlink.Request|flags))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, family, unix.NFNETLINK_V0)
	b = binary.BigEndian.AppendUint16(b, resource)
	a := attrs{b: b}
	fill(&a)
	binary.NativeEndian.PutUint32(a.b[start:], uint32(len(a.b)-start))
	return a.b
}
