package preflight

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// System is how the probes see the device. The zero value is the device itself;
// tests put a recorded one in its place.
type System struct {
	// Root holds proc, sys, dev, etc and var of the device.
	Root string
	// EUID is the effective user id.
	EUID func() int
	// Now is the device's clock.
	Now func() time.Time
	// Disk measures the filesystem of an existing path.
	Disk func(path string) (Disk, error)
	// Addresses are those of all interfaces.
	Addresses func() ([]netip.Addr, error)
	// Resolve looks a host name up.
	Resolve func(ctx context.Context, host string) ([]string, error)
	// Environ is edgectl's environment, NAME=VALUE.
	Environ []string
}

// Disk is the size of a filesystem, in bytes and in files.
type Disk struct {
	Size, Free         uint64
	Inodes, FreeInodes uint64
	// ReadOnly and NoExec are options of its mount.
	ReadOnly, NoExec bool
}

// complete puts the device itself in the place of what is not given.
func (s System) complete() System {
	if s.EUID == nil {
		s.EUID = os.Geteuid
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Disk == nil {
		s.Disk = statfs
	}
	if s.Addresses == nil {
		s.Addresses = interfaceAddresses
	}
	if s.Resolve == nil {
		s.Resolve = net.DefaultResolver.LookupHost
	}
	if s.Environ == nil {
		s.Environ = os.Environ()
	}
	return s
}

func (s System) at(path string) string {
	if s.Root == "" {
		return path
	}
	return filepath.Join(s.Root, path)
}

// read returns a file's text without the space around it.
func (s System) read(path string) (string, error) {
	raw, err := os.ReadFile(s.at(path))
	return strings.TrimSpace(string(raw)), err
}

func (s System) exists(path string) bool {
	_, err := os.Lstat(s.at(path))
	return err == nil
}

// env is the first of the variables that is set.
func (s System) env(names ...string) string {
	for _, name := range names {
		for _, pair := range s.Environ {
			if key, value, _ := strings.Cut(pair, "="); key == name && value != "" {
				return value
			}
		}
	}
	return ""
}

func statfs(path string) (Disk, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Disk{}, fmt.Errorf("measuring %s: %w", path, err)
	}
	block := uint64(s.Bsize)
	return Disk{Size: s.Blocks * block, Free: s.Bavail * block, Inodes: s.Files, FreeInodes: s.Ffree,
		ReadOnly: s.Flags&unix.ST_RDONLY != 0, NoExec: s.Flags&unix.ST_NOEXEC != 0}, nil
}

func interfaceAddresses() ([]netip.Addr, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("listing this device's addresses: %w", err)
	}
	var out []netip.Addr
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, prefix.Addr().Unmap())
		}
	}
	return out, nil
}
