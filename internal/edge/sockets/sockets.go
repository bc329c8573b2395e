// Package sockets looks at this host's TCP connections.
package sockets

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// established is the state's number in /proc/net/tcp (include/net/tcp_states.h).
const established = "01"

// Connected tells whether this host has an established TCP connection to one of
// the ends.
func Connected(ends []netip.AddrPort) (bool, error) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if errors.Is(err, fs.ErrNotExist) {
			continue // no IPv6
		}
		if err != nil {
			return false, fmt.Errorf("reading this host's connections: %w", err)
		}
		found, err := find(f, ends)
		if err := errors.Join(err, f.Close()); err != nil {
			return false, fmt.Errorf("reading %s: %w", table, err)
		}
		if found {
			return true, nil
		}
	}
	return false, nil
}

func find(table io.Reader, ends []netip.AddrPort) (bool, error) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != established {
			continue
		}
		remote, err := parse(fields[2])
		if err != nil {
			return false, err
		}
		if slices.Contains(ends, remote) {
			return true, nil
		}
	}
	return false, lines.Err()
}

// parse reads ADDRESS:PORT as the kernel prints it: hexadecimal, the address in
// words of 32 bits in the host's order, which is little-endian on every
// architecture that edgectl is built for.
func parse(text string) (netip.AddrPort, error) {
	address, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	if !ok || err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("%q is no address and port", text)
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	ip, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no address and port", text)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}
