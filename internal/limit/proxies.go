package limit

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// ErrBadProxy is wrapped by ParseProxies.
var ErrBadProxy = errors.New("not an address or network of a proxy")

// Proxies are the networks of reverse proxies whose X-Forwarded-For is believed. The zero
// value believes nobody.
type Proxies []netip.Prefix

// ParseProxies reads addresses and networks like 10.0.0.7 and 10.0.0.0/24.
func ParseProxies(texts []string) (Proxies, error) {
	var out Proxies
	for _, text := range texts {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%w: %q; give an address like 10.0.0.7 or a network like 10.0.0.0/24", ErrBadProxy, text)
		}
		if prefix.Bits() == 0 {
			return nil, fmt.Errorf("%w: %q is everybody, who then could claim to be anybody; give the proxies' own networks", ErrBadProxy, text)
		}
		out = append(out, prefix.Masked())
	}
	return out, nil
}

// Client is the address that a request comes from: the peer's, or, where the peer is a
// trusted proxy, the last address of X-Forwarded-For that is none. What a client itself
// writes into that header stands further left and is never reached.
func (p Proxies) Client(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	client := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && p.trusts(client); i-- {
		next, err := parseHop(hops[i])
		if err != nil {
			break
		}
		client = next
	}
	return client.WithZone("").String()
}

// Source is what limits count a request's client by: an IPv4 address, or the /64 of an
// IPv6 address, since one host has a whole /64 to itself.
func (p Proxies) Source(r *http.Request) string {
	client := p.Client(r)
	if addr, err := netip.ParseAddr(client); err == nil && addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.String()
		}
	}
	return client
}

// Trusts tells whether a request's peer is one of the proxies.
func (p Proxies) Trusts(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && p.trusts(peer.Addr().Unmap())
}

func (p Proxies) trusts(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr.WithZone("")) {
			return true
		}
	}
	return false
}

// parseHop reads an address; some proxies add its port.
func parseHop(text string) (netip.Addr, error) {
	text = strings.TrimSpace(text)
	if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return addr.Unmap(), nil
	}
	with, err := netip.ParseAddrPort(text)
	return with.Addr().Unmap(), err
}
