package sim

import (
	"context"
	"net"
	"net/http"

	"github.com/edgeway-io/edgeway/sandbox/standin/serve"
)

// backend is a node's HTTP server without a port: hundreds of nodes share one
// loopback.
type backend struct {
	handler http.Handler
	conns   chan net.Conn
	closed  chan struct{}
}

func newBackend(h http.Handler) *backend {
	return &backend{handler: h, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (b *backend) run(ctx context.Context) error {
	return serve.Run(ctx, b, b.handler, nil, nil)
}

// dial gives the client's end of a new connection.
func (b *backend) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case b.conns <- server:
		return client, nil
	case <-b.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (b *backend) Accept() (net.Conn, error) {
	select {
	case c := <-b.conns:
		return c, nil
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener; http.Server calls it once.
func (b *backend) Close() error {
	close(b.closed)
	return nil
}

// Addr implements net.Listener.
func (b *backend) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
