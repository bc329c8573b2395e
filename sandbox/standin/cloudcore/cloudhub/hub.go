// Package cloudhub keeps the WebSocket connections of edge nodes: who is served, which
// messages wait for a node, and what happens when one leaves. It does not know what a
// message means; that is upstream's and downstream's.
//
// A node is known by the name in a header, as in the real one. Only an Authorizer compares
// it with the certificate, and a connection that the Authorizer turns away is not closed:
// nothing is sent on it, what it sends is still worked off in the name that it gave, and
// its end ends the connection of whoever bears the name.
package cloudhub

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/edgeway-io/edgeway/sandbox/standin/hubwire"
)

// Authorizer decides whom CloudHub serves, and what.
type Authorizer interface {
	Connection(cert *x509.Certificate, node string) error
	Message(ctx context.Context, node string, m hubwire.Message) error
}

// Upstream carries out what an edge node asks for.
type Upstream interface {
	// Handle gives the answer, unless there is none.
	Handle(ctx context.Context, node string, m hubwire.Message) (hubwire.Message, bool)
	// Connected is called for every connection that is served.
	Connected(ctx context.Context, node string)
}

// Config of a hub.
type Config struct {
	// NodeLimit is the largest number of nodes that are served at a time.
	NodeLimit int
	// Keepalive is how long a node may be silent.
	Keepalive time.Duration
	// Authorizer is nil for none.
	Authorizer Authorizer
	Upstream   Upstream
	// Acknowledged, if not nil, is called for every message that a node has answered.
	Acknowledged func(node string, m hubwire.Message)
}

// Hub keeps the connections.
type Hub struct {
	conf     Config
	mu       sync.Mutex
	sessions map[string]*session
	queues   map[string]*queue
}

// New makes a hub without connections.
func New(conf Config) *Hub {
	return &Hub{conf: conf, sessions: map[string]*session{}, queues: map[string]*queue{}}
}

// Connected gives the number of nodes that are served.
func (h *Hub) Connected() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sessions)
}

// Serves tells whether a node has a connection.
func (h *Hub) Serves(node string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions[node] != nil
}

// Push sends a message for which the node has to answer, now or when it connects. A
// message of the same key that still waits is replaced.
func (h *Hub) Push(node, key string, m hubwire.Message) { h.queueOf(node).push(key, m) }

// Disconnect closes the connection of a node, as when its Node was deleted, and forgets
// what waits for it.
func (h *Hub) Disconnect(node string) {
	h.mu.Lock()
	s := h.sessions[node]
	delete(h.queues, node)
	h.mu.Unlock()
	if s != nil {
		slog.Warn("the Node was deleted; its messages are dropped", "node", node)
		s.end()
	}
}

func (h *Hub) queueOf(node string) *queue {
	h.mu.Lock()
	defer h.mu.Unlock()
	q, ok := h.queues[node]
	if !ok {
		q = newQueue()
		h.queues[node] = q
	}
	return q
}

// ServeHTTP takes in a connection at any path.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	node := r.Header.Get(hubwire.HeaderNode)
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		slog.Warn("no connection", "node", node, "from", r.RemoteAddr, "err", err)
		return
	}
	conn := hubwire.NewConn(ws)
	defer conn.Close()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var served *session
	if err := h.admit(r, node); err != nil {
		slog.Error("edge node is not served", "node", node, "from", r.RemoteAddr, "err", err)
	} else {
		served = h.enter(node, conn)
		go served.run(ctx, h.queueOf(node), h.conf.Acknowledged)
		go h.conf.Upstream.Connected(ctx, node)
		defer h.leave(served)
	}
	switch {
	case r.Header.Get(hubwire.HeaderUse) == hubwire.UseMessages:
		h.read(ctx, node, conn, served)
	case served != nil:
		<-served.done // nobody reads what comes on such a connection
	}
}

// errLimit is one node too many.
var errLimit = errors.New("modules.cloudHub.nodeLimit is reached; raise it or add a CloudCore")

func (h *Hub) admit(r *http.Request, node string) error {
	if a := h.conf.Authorizer; a != nil {
		if err := a.Connection(r.TLS.PeerCertificates[0], node); err != nil {
			return err
		}
	}
	if h.Connected() >= h.conf.NodeLimit {
		return errLimit
	}
	return nil
}

// enter makes a session; an older one of the same name ends.
func (h *Hub) enter(node string, conn *hubwire.Conn) *session {
	s := newSession(node, conn, h.conf.Keepalive)
	h.mu.Lock()
	older := h.sessions[node]
	h.sessions[node] = s
	h.mu.Unlock()
	if older != nil {
		slog.Warn("a later connection takes the place of an earlier", "node", node)
		older.end()
	}
	slog.Info("edge node connected", "node", node)
	return s
}

func (h *Hub) leave(s *session) {
	s.end()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sessions[s.node] == s {
		delete(h.sessions, s.node)
		slog.Info("edge node disconnected", "node", s.node)
	}
}

// read works off messages until the connection ends. A connection that is not served has
// no session of its own to end, so it ends the name's.
func (h *Hub) read(ctx context.Context, node string, conn *hubwire.Conn, own *session) {
	for {
		m, err := conn.Receive(ctx)
		if err != nil {
			slog.Info("cannot read from an edge node", "node", node, "err", err)
			if own == nil {
				h.lost(node)
			}
			return
		}
		if a := h.conf.Authorizer; a != nil {
			if err := a.Message(ctx, node, m); err != nil {
				slog.Error("message refused", "node", node, "operation", m.Route.Operation, "resource", m.Route.Resource, "err", err)
				continue
			}
		}
		h.dispatch(ctx, node, m)
	}
}

// lost ends the session of a name.
func (h *Hub) lost(node string) {
	h.mu.Lock()
	s := h.sessions[node]
	h.mu.Unlock()
	if s != nil {
		s.end()
	}
}

func (h *Hub) dispatch(ctx context.Context, node string, m hubwire.Message) {
	h.mu.Lock()
	s := h.sessions[node]
	h.mu.Unlock()
	switch {
	case m.Route.Operation == hubwire.Keepalive:
		if s != nil {
			s.alive()
		}
	case m.Route.Operation == hubwire.Response:
		if s != nil {
			s.acknowledge(m.Header.Parent)
		}
	default:
		go h.handle(context.WithoutCancel(ctx), node, m)
	}
}

// handle answers on the connection that the name has by then.
func (h *Hub) handle(ctx context.Context, node string, m hubwire.Message) {
	answer, ok := h.conf.Upstream.Handle(ctx, node, m)
	if !ok {
		return
	}
	h.mu.Lock()
	s := h.sessions[node]
	h.mu.Unlock()
	if s == nil {
		return
	}
	if err := s.conn.Send(answer); err != nil {
		slog.Debug("the edge node left before its answer", "node", node, "err", err)
	}
}
