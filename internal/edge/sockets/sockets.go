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

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// States by their numbers in /proc/net/tcp (include/net/tcp_states.h).
const (
	established = "01"
	listen      = "0A"
)

// Connected tells whether this host has an established TCP connection to one of
// the ends.
func Connected(ends []netip.AddrPort) (bool, error) {
	found := false
	err := tables("", func(local, remote netip.AddrPort, state string) {
		found = found || state == established && slices.Contains(ends, remote)
	})
	return found, err
}

// Listening lists the TCP addresses and ports on which this host listens. root holds
// its proc directory, empty for the host itself.
func Listening(root string) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	err := tables(root, func(local, _ netip.AddrPort, state string) {
		if state == listen {
			out = append(out, local)
		}
	})
	return out, err
}

type visitor func(local, remote netip.AddrPort, state string)

func tables(root string, visit visitor) error {
	for i, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(root + table)
		if errors.Is(err, fs.ErrNotExist) && i > 0 {
			continue // no IPv6
		}
		if err != nil {
			return fmt.Errorf("reading this host's connections: %w", err)
		}
		if err := errors.Join(walk(f, visit), f.Close()); err != nil {
			return fmt.Errorf("reading %s: %w", table, err)
		}
	}
	return nil
}

// walk passes over lines that are no sockets, such as the headline.
func walk(table io.Reader, visit visitor) error {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.Contains(fields[1], ":") {
			continue
		}
		local, err := parse(fields[1])
		if err != nil {
			return err
		}
		remote, err := parse(fields[2])
		if err != nil {
			return err
		}
		visit(local, remote, fields[3])
	}
	return lines.Err()
}

// parse reads ADDRESS:PORT as the kernel prints it: hexadecimal, the address in
// words of 32 bits in the host's order, which is little-endian on every
// architecture that edgectl is built for.
func parse(text string) (netip.AddrPort, error) {
	address, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	if !ok || err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, errcat.Errorf("KernelTable", "%q is no address and port", text)
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	ip, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, errcat.Errorf("KernelTable", "%q is no address and port", text)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}
