package sockets

import (
	"net"
	"net/netip"
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
