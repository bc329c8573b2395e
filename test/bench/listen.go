package main

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// listener hears which addresses are added to nftables sets of one network namespace.
type listener struct {
	mu       sync.Mutex
	expected map[netip.Addr]chan time.Time
}

// listen starts a listener in the namespace of a file descriptor.
func listen(b *bed, netNS int) *listener {
	nl, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: netNS, Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)})
	b.must(err)
	b.undo(nl.Close)
	b.must(nl.SetReadBuffer(8 << 20))
	l := &listener{expected: map[netip.Addr]chan time.Time{}}
	go l.run(nl)
	return l
}

func (l *listener) run(nl *netlink.Conn) {
	for {
		msgs, err := nl.Receive()
		now := time.Now()
		if errors.Is(err, unix.ENOBUFS) {
			continue // what was lost will be missed
		}
		if err != nil {
			return // closed
		}
		for _, m := range msgs {
			if m.Header.Type == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWSETELEM {
				l.heard(m, now)
			}
		}
	}
}

// expect gives a channel that receives when the address was first added.
func (l *listener) expect(addr netip.Addr) <-chan time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expected[addr] = make(chan time.Time, 1)
	return l.expected[addr]
}

func (l *listener) heard(m netlink.Message, at time.Time) {
	addrs, err := addedAddresses(m.Data)
	if err != nil {
		return // of another kind of set
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, addr := range addrs {
		if waiting, ok := l.expected[addr]; ok {
			waiting <- at
			delete(l.expected, addr)
		}
	}
}

// addedAddresses reads the keys of 4 or 16 bytes in an NFT_MSG_NEWSETELEM message.
func addedAddresses(data []byte) ([]netip.Addr, error) {
	const header = 4 // struct nfgenmsg
	if len(data) < header {
		return nil, fmt.Errorf("message of %d bytes", len(data))
	}
	d, err := netlink.NewAttributeDecoder(data[header:])
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	element := func(d *netlink.AttributeDecoder) error {
		for d.Next() {
			if d.Type() != unix.NFTA_SET_ELEM_KEY {
				continue
			}
			d.Nested(func(d *netlink.AttributeDecoder) error {
				for d.Next() {
					if addr, ok := netip.AddrFromSlice(d.Bytes()); ok && d.Type() == unix.NFTA_DATA_VALUE {
						addrs = append(addrs, addr)
					}
				}
				return d.Err()
			})
		}
		return d.Err()
	}
	for d.Next() {
		if d.Type() == unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			d.Nested(func(d *netlink.AttributeDecoder) error {
				for d.Next() {
					d.Nested(element)
				}
				return d.Err()
			})
		}
	}
	return addrs, d.Err()
}
