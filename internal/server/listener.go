package server

import (
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/edgeway-io/edgeway/internal/limit"
)

const (
	// Connections at once. One costs some 40 KB with TLS.
	connectionsOfSource = 1024
	connectionsInAll    = 4096
	// writeStall ends a connection whose peer takes nothing for so long. A slow reader may
	// be as slow as one TLS record in that time.
	writeStall = 30 * time.Second
)

// listener limits connections and does not let them stall. One too many is closed at once:
// with the others waiting for it to be accepted, nobody else would get in.
type listener struct {
	net.Listener
	proxies limit.Proxies
	slots   *limit.Slots
}

func newListener(l net.Listener, proxies limit.Proxies) *listener {
	return &listener{l, proxies, limit.NewSlots(connectionsOfSource, connectionsInAll)}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		release, _, ok := l.slots.Take(l.sourceOf(c), "all")
		if !ok {
			c.Close()
			continue
		}
		return &steadyConn{Conn: c, closed: sync.OnceFunc(release)}, nil
	}
}

// sourceOf is empty for a trusted proxy: behind it are many.
func (l *listener) sourceOf(c net.Conn) string {
	peer := &http.Request{RemoteAddr: c.RemoteAddr().String()}
	if l.proxies.Trusts(peer) {
		return ""
	}
	return limit.Proxies(nil).Source(peer)
}

// steadyConn has a deadline for every write.
type steadyConn struct {
	net.Conn
	closed func()
}

// Write fails when the peer takes nothing for writeStall.
func (c *steadyConn) Write(b []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(writeStall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// Close frees the connection's slot.
func (c *steadyConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
