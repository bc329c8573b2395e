package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.LocalAddr().String()
	free.Close()
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, address, Names{"console": netip.MustParseAddr("198.18.0.4")}) }()

	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", address)
	}}
	// The server may not listen yet.
	var got []netip.Addr
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if got, err = resolver.LookupNetIP(ctx, "ip4", "CONSOLE."); err == nil {
			break
		}
	}
	if err != nil || len(got) != 1 || got[0].Unmap() != netip.MustParseAddr("198.18.0.4") {
		t.Errorf("console: %v, %v; want 198.18.0.4", got, err)
	}
	var dnsError *net.DNSError
	if _, err := resolver.LookupNetIP(ctx, "ip4", "nowhere."); !errors.As(err, &dnsError) || !dnsError.IsNotFound || dnsError.IsTimeout {
		t.Errorf("nowhere: %v, want that it does not exist", err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
