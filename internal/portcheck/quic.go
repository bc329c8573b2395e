package portcheck

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"

	"golang.org/x/net/quic"
)

// tryQUIC shakes hands. A connection that the other side ends while it does, because it
// wants a certificate or another protocol, is an answer too: the port is open.
//
// The handshake's own socket is not told of ICMP errors, so a second one asks beside it:
// it finds out when nobody listens.
func tryQUIC(ctx context.Context, to string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if err := refused(ctx, to); err != nil {
			cancel(err)
		}
	}()
	err := handshake(ctx, to)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func handshake(ctx context.Context, to string) error {
	endpoint, err := quic.Listen("udp", ":0", nil)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	defer func() {
		done, cancel := context.WithCancel(context.Background())
		cancel() // what the other side still says does not matter
		_ = endpoint.Close(done)
	}()
	// The question is whether somebody answers, not who: nothing is sent to them.
	conn, err := endpoint.Dial(ctx, "udp", to, &quic.Config{TLSConfig: &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, NextProtos: []string{"h3"},
	}})
	if err == nil {
		conn.Abort(nil)
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return nil // ended by the other side
}

// refused returns an error once the network says that nobody can be reached, and nil
// when ctx ends or something answers.
func refused(ctx context.Context, to string) error {
	conn, err := net.Dial("udp", to)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() { stop(); _ = conn.Close() }()
	// A packet of no version of QUIC there is: a server answers with those it knows, and
	// makes no connection for it (RFC 9000, 6.1).
	packet := slices.Concat([]byte{0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8}, make([]byte, 8), []byte{8}, make([]byte, 8))
	packet = append(packet, make([]byte, 1200-len(packet))...)
	if _, err := conn.Write(packet); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1500))
	if ctx.Err() != nil {
		return nil
	}
	return err
}
