package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"

	"github.com/mdlayher/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// monitor listens to the kernel's notifications of changed rules and tells when
// somebody else changed our table.
type monitor struct {
	nl        *netlink.Conn
	log       *slog.Logger
	disturbed chan struct{}
	foreign   atomic.Bool
	closing   atomic.Bool
	done      chan struct{}

	mu sync.Mutex
	// ours are the netlink ports that our own changes come from.
	ours map[uint32]struct{}
}

func listen(netNS int, log *slog.Logger) (*monitor, error) {
	nl, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: netNS, Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)})
	if err != nil {
		return nil, fmt.Errorf("listen to nftables: %w", err)
	}
	// A burst of kube-proxy's changes should fit; when it does not, ENOBUFS tells so.
	if err := nl.SetReadBuffer(8 << 20); err != nil {
		return nil, errors.Join(fmt.Errorf("set netlink receive buffer: %w", err), nl.Close())
	}
	m := &monitor{
		nl: nl, log: log,
		disturbed: make(chan struct{}, 1),
		done:      make(chan struct{}),
		ours:      map[uint32]struct{}{},
	}
	go m.run()
	return m, nil
}

func (m *monitor) close() error {
	m.closing.Store(true)
	err := m.nl.Close()
	<-m.done
	return err
}

func (m *monitor) run() {
	defer close(m.done)
	for {
		msgs, err := m.nl.Receive()
		switch {
		case err == nil:
			m.look(msgs)
		case m.closing.Load():
			return
		case errors.Is(err, unix.ENOBUFS):
			m.log.Info("nftables notifications were lost, comparing everything")
			m.disturb()
		default:
			m.log.Error("nftables notifications stopped; changes by others are found by comparison only", "error", err)
			m.disturb()
			return
		}
	}
}

// own tells that changes from this netlink port are ours. The kernel is told to
// leave them out: a first load would be one notification per edge address.
func (m *monitor) own(port uint32) {
	m.mu.Lock()
	m.ours[port] = struct{}{}
	m.mu.Unlock()
	if err := m.nl.SetBPF(dropFrom(port)); err != nil {
		m.log.Warn("own changes are not filtered out of nftables notifications", "error", err)
	}
}

// dropFrom is a socket filter that drops notifications of changes from a netlink
// port. All messages of one datagram come from one transaction, so the first one's
// header (port in bytes 12 to 15) speaks for all.
func dropFrom(port uint32) []bpf.RawInstruction {
	const loadWord, jumpEqual, ret = 0x20, 0x15, 0x06
	// The filter loads in network order what the kernel stores in its own.
	swapped := binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, port))
	return []bpf.RawInstruction{
		{Op: loadWord, K: 12},
		{Op: jumpEqual, Jt: 0, Jf: 1, K: swapped},
		{Op: ret, K: 0},
		{Op: ret, K: math.MaxUint32},
	}
}

// quietly makes a transaction of ours while the kernel has nobody to notify. Whether
// others changed anything meanwhile is seen by the generation, which each of their
// transactions moves too; ours does not when it turns out to change nothing.
func (m *monitor) quietly(generation func() (uint32, error), transaction func() error) error {
	before, err := generation()
	if err == nil {
		err = m.nl.LeaveGroup(unix.NFNLGRP_NFTABLES)
	}
	if err != nil {
		m.log.Debug("a large change is made with notifications on", "error", err)
		return transaction()
	}
	failed := transaction()
	err = m.nl.JoinGroup(unix.NFNLGRP_NFTABLES)
	if err != nil {
		m.log.Error("nftables notifications stopped; changes by others are found by comparison only", "error", err)
	}
	if after, gerr := generation(); err != nil || gerr != nil || failed != nil || after != before && after != before+1 {
		m.disturb()
	}
	return failed
}

func (m *monitor) isOwn(port uint32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.ours[port]
	return ok
}

// look finds changes of our table that are not our own. Every kind of message
// names its table in attribute 1.
func (m *monitor) look(msgs []netlink.Message) {
	for _, msg := range msgs {
		if len(msg.Data) < 4 || msg.Data[0] != familyInet || m.isOwn(msg.Header.PID) {
			continue
		}
		if nameOf(msg.Data[4:], unix.NFTA_RULE_TABLE) == tableName {
			m.disturb()
		}
	}
}

func (m *monitor) disturb() {
	m.foreign.Store(true)
	select {
	case m.disturbed <- struct{}{}:
	default: // somebody is about to look anyway
	}
}

// takeForeign tells whether somebody else changed the table since the last call.
func (m *monitor) takeForeign() bool { return m.foreign.Swap(false) }
