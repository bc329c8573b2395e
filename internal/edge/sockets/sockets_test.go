package sockets

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestConnected asks the real kernel about a connection that the test makes.
func TestConnected(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		end := netip.MustParseAddrPort(l.Addr().String())
		if found, err := Connected([]netip.AddrPort{end}); err != nil || found {
			t.Errorf("%s before anybody connects: %v, %v", end, found, err)
		}
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		other := netip.AddrPortFrom(end.Addr(), 1)
		if found, err := Connected([]netip.AddrPort{other, end}); err != nil || !found {
			t.Errorf("%s with a connection: %v, %v", end, found, err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", "0100007F", "0100007:1F90", "0100007F:", "0100007F:1FFFF", "zz00007F:1F90", "0100007F00:1F90"} {
		if got, err := parse(text); err == nil {
			t.Errorf("%q gives %s", text, got)
		}
	}
}

// TestListening asks the real kernel about listeners that the test makes.
func TestListening(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		at := netip.MustParseAddrPort(l.Addr().String())
		if found, err := Listening(""); err != nil || !slices.Contains(found, at) {
			t.Errorf("%s is not in %v, %v", at, found, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if found, err := Listening(""); err != nil || slices.Contains(found, at) {
			t.Errorf("%s is closed and in %v, %v", at, found, err)
		}
	}
}

func FuzzWalk(f *testing.F) {
	f.Add("  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0\n")
	f.Fuzz(func(t *testing.T, table string) {
		err := walk(strings.NewReader(table), func(local, remote netip.AddrPort, _ string) {
			if !local.IsValid() || !remote.IsValid() {
				t.Errorf("%v %v", local, remote)
			}
		})
		_ = err // any text may be refused
	})
}
