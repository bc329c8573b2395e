// Package stream is the stand-in for CloudStream: a server to which edge nodes
// open tunnels, and a server that sends requests for logs, exec and metrics down
// the tunnel of the right node.
package stream

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/edgeway-io/edgeway/sandbox/standin/tunnel"
)

// How long a tunnel waits for its Node to exist, and how often it looks.
const (
	registerTimeout = 2 * time.Minute
	registerRetry   = 20 * time.Second
)

// PortSetter writes the kubelet port into a Node's status.
type PortSetter interface {
	SetKubeletPort(ctx context.Context, node string, port int) error
}

// Tunnels accepts tunnels and finds the one of a node.
type Tunnels struct {
	ports PortSetter
	port  int
	mu    sync.Mutex
	byKey map[string]*session // by node name and by node IP, as in the real one
}

// NewTunnels makes the tunnel server. port is this CloudCore's tunnel port, which
// a Node gets when its tunnel has connected.
func NewTunnels(ports PortSetter, port int) *Tunnels {
	return &Tunnels{ports: ports, port: port, byKey: map[string]*session{}}
}

// Handler serves the path at which edge nodes connect.
func (t *Tunnels) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+tunnel.Path, t.accept)
	return mux
}

// find gives the tunnel of a node, by its name or its IP. Of two nodes with one IP
// the last to connect has it.
func (t *Tunnels) find(key string) (*session, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.byKey[key]
	return s, ok
}

func (t *Tunnels) accept(w http.ResponseWriter, r *http.Request) {
	node, ip := r.Header.Get(tunnel.HeaderHostname), r.Header.Get(tunnel.HeaderIP)
	if node == "" {
		http.Error(w, "header "+tunnel.HeaderHostname+" is missing", http.StatusBadRequest)
		return
	}
	if ip == "" {
		// A missing port is no reason to turn a node away.
		ip, _, _ = net.SplitHostPort(r.RemoteAddr)
	}
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		slog.Warn("no tunnel", "node", node, "from", r.RemoteAddr, "err", err)
		return
	}
	s := newSession(node, ip, tunnel.NewConn(ws))
	log := slog.With("node", node, "ip", ip, "from", r.RemoteAddr)
	log.Info("tunnel connected")
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if !t.register(ctx, s) {
		return
	}
	// A tunnel that has closed stays known: the real one answers for it with an empty
	// 200, until the next tunnel of the node takes its place.
	log.Info("tunnel closed", "err", s.serve(ctx))
}

// register sets the Node's port and makes the tunnel known. The Node may not exist yet:
// an edge node's tunnel and its registration start together. Until it does, nothing that
// comes through the tunnel is read, pings included.
func (t *Tunnels) register(ctx context.Context, s *session) bool {
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	for {
		err := t.ports.SetKubeletPort(ctx, s.node, t.port)
		if err == nil {
			t.add(s)
			return true
		}
		slog.Debug("the Node has not got its port yet", "node", s.node, "err", err)
		select {
		case <-time.After(registerRetry):
		case <-ctx.Done():
			t.giveUp(s, err)
			return false
		}
	}
}

func (t *Tunnels) giveUp(s *session, cause error) {
	reason := fmt.Sprintf("the Node's kubelet port could not be set: %v", cause)
	// The connection may be the reason why we are here; then nobody hears this.
	_ = s.conn.Send(tunnel.Frame{Type: tunnel.Close, Data: []byte(reason)})
	s.conn.Close()
}

func (t *Tunnels) add(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byKey[s.node] = s
	t.byKey[s.ip] = s
}
