package edgehub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
)

// Gate is the kubelet's only way to the cloud: it passes connections on to CloudHub while
// EdgeCore is connected, and cuts them when EdgeCore is not.
type Gate struct {
	listener net.Listener
	server   string
	mu       sync.Mutex
	open     bool
	conns    map[net.Conn]bool
}

// NewGate listens on the loopback for a gate that is shut.
func NewGate(server string) (*Gate, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the kubelet: %w", err)
	}
	return &Gate{listener: l, server: server, conns: map[net.Conn]bool{}}, nil
}

// Address is where the kubelet connects to.
func (g *Gate) Address() string { return g.listener.Addr().String() }

// Open lets connections through.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = true
}

// Shut lets none through and cuts those that there are.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = false
	for c := range g.conns {
		_ = c.Close() // it is cut, which is all that is wanted
	}
}

// enter notes a connection, unless the gate is shut.
func (g *Gate) enter(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open {
		g.conns[c] = true
	}
	return g.open
}

func (g *Gate) leave(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
}

// Run serves until ctx ends.
func (g *Gate) Run(ctx context.Context) error {
	context.AfterFunc(ctx, func() { _ = g.listener.Close() }) // nobody is there to be told
	for {
		c, err := g.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept the kubelet's connection: %w", err)
		}
		go g.pass(ctx, c)
	}
}

func (g *Gate) pass(ctx context.Context, kubelet net.Conn) {
	defer func() { _ = kubelet.Close() }() // either side has ended
	if !g.enter(kubelet) {
		return
	}
	defer g.leave(kubelet)
	var d net.Dialer
	cloud, err := d.DialContext(ctx, "tcp", g.server)
	if err != nil {
		slog.Debug("the kubelet cannot reach CloudHub", "err", err)
		return
	}
	defer func() { _ = cloud.Close() }() // as above
	go func() {
		_, _ = io.Copy(cloud, kubelet) // how it ends is of no interest, that it does is
		_ = cloud.Close()
	}()
	_, _ = io.Copy(kubelet, cloud)
}
