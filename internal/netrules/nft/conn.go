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

// conn is a netlink connection to nf_tables, for one goroutine at a time.
type conn struct {
	nl *netlink.Conn
	// port identifies our own changes in notifications.
	port uint32
	// seq is the number of the last request.
	seq uint32
	// buf receives answers.
	buf []byte
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
	return &conn{nl: nl, port: port, buf: make([]byte, dumpBuffer)}, nil
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

// commit sends the batch: all of it takes effect at once, or nothing does.
func (c *conn) commit(b *batch) error {
	if b.empty() {
		return nil
	}
	seq := c.nextSeq()
	if err := c.send(b.finish(seq)); err != nil {
		return fmt.Errorf("send nftables transaction: %w", err)
	}
	if err := c.answers(seq, nil); err != nil {
		return fmt.Errorf("nftables transaction: %w", err)
	}
	return nil
}

// generation is the kernel's number for the state of all rules of the namespace.
// It grows by one with every transaction, whoever makes it.
func (c *conn) generation() (uint32, error) {
	seq := c.nextSeq()
	if err := c.send(request(unix.NFT_MSG_GETGEN, netlink.Acknowledge, seq, func(*attrs) {})); err != nil {
		return 0, fmt.Errorf("ask nftables for its generation: %w", err)
	}
	generation := uint32(0)
	err := c.answers(seq, func(_ netlink.HeaderFlags, body []byte) error {
		return eachAttr(body, func(typ uint16, data []byte) error {
			if typ == unix.NFTA_GEN_ID {
				generation = attrU32(data)
			}
			return nil
		})
	})
	return generation, err
}

func (c *conn) nextSeq() uint32 {
	c.seq++
	return c.seq
}

// answers reads until the request seq is answered completely.
func (c *conn) answers(seq uint32, each func(flags netlink.HeaderFlags, body []byte) error) error {
	for {
		n, err := c.receive(c.buf)
		if err != nil {
			return err
		}
		if done, err := eachMessage(c.buf[:n], seq, each); done || err != nil {
			return err
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
	seq := c.nextSeq()
	if err := c.send(request(cmd, netlink.Dump, seq, fill)); err != nil {
		return false, fmt.Errorf("ask nftables: %w", err)
	}
	consistent := true
	err := c.answers(seq, func(flags netlink.HeaderFlags, body []byte) error {
		consistent = consistent && flags&netlink.DumpInterrupted == 0
		return each(body)
	})
	if err != nil {
		return false, fmt.Errorf("read from nftables: %w", err)
	}
	return consistent, nil
}

// send passes messages on without another copy of them. The kernel has carried
// out a transaction when it returns.
func (c *conn) send(b []byte) error {
	raw, err := c.nl.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = raw.Write(func(fd uintptr) bool {
		serr = unix.Sendto(int(fd), b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return !errors.Is(serr, unix.EAGAIN) && !errors.Is(serr, unix.EINTR)
	})
	return errors.Join(err, serr)
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
		case len(body) >= 4 && each != nil:
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
