package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	familyInet = unix.NFPROTO_INET
	// sendBuffer bounds one transaction; 100,000 IPv6 routes need about 8 MiB. It is
	// a limit, not an allocation.
	sendBuffer = 64 << 20
	// dumpBuffer lets the kernel fill large pieces: it walks a set from the start
	// for every piece.
	dumpBuffer = 256 << 10
	// dumpAttempts at a consistent picture while others change the ruleset.
	dumpAttempts = 3
)

// conn is a netlink connection to nf_tables.
type conn struct {
	nl *netlink.Conn
	// port identifies our own changes in notifications.
	port uint32
}

func dial(netNS int) (*conn, error) {
	nl, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: netNS})
	if err != nil {
		return nil, fmt.Errorf("open netlink to netfilter: %w", err)
	}
	if err := nl.SetWriteBuffer(sendBuffer); err != nil {
		return nil, errors.Join(fmt.Errorf("set netlink send buffer: %w", err), nl.Close())
	}
	port, err := portOf(nl)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find netlink port: %w", err), nl.Close())
	}
	return &conn{nl: nl, port: port}, nil
}

func portOf(nl *netlink.Conn) (uint32, error) {
	raw, err := nl.SyscallConn()
	if err != nil {
		return 0, err
	}
	var port uint32
	var serr error
	err = raw.Control(func(fd uintptr) {
		sa, err := unix.Getsockname(int(fd))
		if own, ok := sa.(*unix.SockaddrNetlink); ok {
			port = own.Pid
		}
		serr = err
	})
	return port, errors.Join(err, serr)
}

func (c *conn) close() error { return c.nl.Close() }

// batch collects the messages of one transaction.
type batch struct{ msgs []netlink.Message }

// add appends a message about table inet edgeway.
func (b *batch) add(cmd uint16, flags netlink.HeaderFlags, fill func(*attrs)) {
	b.msgs = append(b.msgs, message(cmd, flags, fill))
}

func message(cmd uint16, flags netlink.HeaderFlags, fill func(*attrs)) netlink.Message {
	a := attrs{b: []byte{familyInet, unix.NFNETLINK_V0, 0, 0}}
	fill(&a)
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | cmd), Flags: netlink.Request | flags},
		Data:   a.b,
	}
}

// commit sends the batch: all of it takes effect at once, or nothing does.
func (c *conn) commit(b *batch) error {
	if len(b.msgs) == 0 {
		return nil
	}
	// One acknowledgement, of the last message, says that the whole batch was
	// committed; failures are reported whether or not they were asked for.
	b.msgs[len(b.msgs)-1].Header.Flags |= netlink.Acknowledge
	edge := func(typ uint16) netlink.Message {
		return netlink.Message{
			Header: netlink.Header{Type: netlink.HeaderType(typ), Flags: netlink.Request},
			Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES},
		}
	}
	msgs := make([]netlink.Message, 0, len(b.msgs)+2)
	msgs = append(msgs, edge(unix.NFNL_MSG_BATCH_BEGIN))
	msgs = append(msgs, b.msgs...)
	msgs = append(msgs, edge(unix.NFNL_MSG_BATCH_END))
	sent, err := c.nl.SendMessages(msgs)
	if err != nil {
		return fmt.Errorf("send nftables transaction: %w", err)
	}
	last := sent[len(sent)-2].Header.Sequence
	for {
		replies, err := c.nl.Receive()
		if err != nil {
			return fmt.Errorf("nftables transaction: %w", err)
		}
		for _, m := range replies {
			if m.Header.Sequence == last {
				return nil
			}
		}
	}
}

// dump asks for a list and calls each with the attributes of every item, which
// are only valid during the call. reset is called before a repeated attempt.
func (c *conn) dump(cmd uint16, fill func(*attrs), reset func(), each func(attrs []byte) error) error {
	for attempt := 1; ; attempt++ {
		reset()
		consistent, err := c.dumpOnce(cmd, fill, each)
		if err != nil {
			return err
		}
		// On a busy host the picture may never be consistent for other tables; ours is
		// compared again whenever somebody changes it.
		if consistent || attempt == dumpAttempts {
			return nil
		}
	}
}

func (c *conn) dumpOnce(cmd uint16, fill func(*attrs), each func([]byte) error) (bool, error) {
	req, err := c.nl.Send(message(cmd, netlink.Dump, fill))
	if err != nil {
		return false, fmt.Errorf("ask nftables: %w", err)
	}
	buf := make([]byte, dumpBuffer)
	consistent := true
	for {
		n, err := c.receive(buf)
		if err != nil {
			return false, fmt.Errorf("read from nftables: %w", err)
		}
		done, err := eachMessage(buf[:n], req.Header.Sequence, func(flags netlink.HeaderFlags, body []byte) error {
			consistent = consistent && flags&netlink.DumpInterrupted == 0
			return each(body)
		})
		if done || err != nil {
			return consistent, err
		}
	}
}

func (c *conn) receive(buf []byte) (int, error) {
	raw, err := c.nl.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int
	var rerr error
	err = raw.Read(func(fd uintptr) bool {
		n, _, rerr = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
		return !errors.Is(rerr, unix.EAGAIN) && !errors.Is(rerr, unix.EINTR)
	})
	return n, errors.Join(err, rerr)
}

// eachMessage walks the messages of one datagram that answer the request seq and
// tells whether the answer is complete.
func eachMessage(b []byte, seq uint32, each func(flags netlink.HeaderFlags, body []byte) error) (bool, error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		length := int(binary.NativeEndian.Uint32(b))
		if length < unix.NLMSG_HDRLEN || length > len(b) {
			return true, errShortAttr
		}
		typ := binary.NativeEndian.Uint16(b[4:])
		flags := netlink.HeaderFlags(binary.NativeEndian.Uint16(b[6:]))
		body := b[unix.NLMSG_HDRLEN:length]
		switch {
		case binary.NativeEndian.Uint32(b[8:]) != seq: // rest of an earlier answer
		case typ == unix.NLMSG_DONE || typ == unix.NLMSG_ERROR:
			return true, answerError(body)
		case len(body) >= 4:
			if err := each(flags, body[4:]); err != nil {
				return true, err
			}
		}
		b = b[min(len(b), (length+3)&^3):]
	}
	return false, nil
}

func answerError(body []byte) error {
	if len(body) < 4 {
		return nil
	}
	if errno := -int32(binary.NativeEndian.Uint32(body)); errno != 0 {
		return fmt.Errorf("nftables answers: %w", syscall.Errno(errno))
	}
	return nil
}
