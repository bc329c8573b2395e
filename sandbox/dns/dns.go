// Package dns is the name server of the sandbox's internet: it knows the hosts that a
// site names and answers at once that any other name does not exist. Without it every
// look-up on a host waits for a server that never answers.
package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// ttl of an answer in seconds: hosts keep their addresses.
	ttl = 60
	// maxQuery is what a query over UDP may hold (RFC 1035, section 4.2.1).
	maxQuery = 512
)

// Names maps a host name, without a final dot, to its address.
type Names map[string]netip.Addr

// Serve answers queries over UDP at address until ctx ends.
func Serve(ctx context.Context, address string, names Names) error {
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", address)
	if err != nil {
		return fmt.Errorf("listening for DNS queries: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	buf := make([]byte, maxQuery)
	for {
		n, from, err := conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a DNS query: %w", err)
		}
		answer, err := names.answer(buf[:n])
		if err != nil {
			continue // not a query
		}
		if _, err := conn.WriteTo(answer, from); err != nil && ctx.Err() == nil {
			return fmt.Errorf("answering a DNS query: %w", err)
		}
	}
}

// answer makes the answer to one query.
func (n Names) answer(query []byte) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	if header.Response {
		return nil, errors.New("not a query")
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired},
		Questions: []dnsmessage.Question{q},
	}
	addr, known := n[strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))]
	switch {
	case !known:
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA && addr.Is4():
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: ttl},
			Body:   &dnsmessage.AResource{A: addr.As4()},
		}}
	}
	return m.Pack()
}
