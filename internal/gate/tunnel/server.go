// Package tunnel is the gate before CloudCore's tunnel server. Devices' tunnels end
// here: a device proves by its certificate which edge node it is, and the gate says
// that name and the node's routed address to CloudCore in its stead. On the way back
// only requests pass that the gate let in for this node (package ticket).
//
// Invariant: CloudCore hears no name that was not proven, and a device hears no
// request that was not authorized for it.
package tunnel

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	"github.com/edgeway-io/edgeway/internal/gate/registry"
	"github.com/edgeway-io/edgeway/internal/gate/ticket"
)

// Where edge nodes connect, and how they introduce themselves. The names are
// KubeEdge's.
const (
	path         = "/v1/kubeedge/connect"
	headerNode   = "SessionHostNameOverride"
	headerNodeIP = "SessionInternalIP"
)

const (
	// HandshakeTimeout bounds the time from a device's first byte to its open tunnel.
	HandshakeTimeout = 10 * time.Second
	// coreTimeout bounds the handshake with CloudCore, which is on this host.
	coreTimeout = 5 * time.Second

	readBuffer  = 512     // of each half of an idle tunnel; a longer message passes it by
	writeBuffer = 8 << 10 // taken while a message is written

	// maxPerNode bounds the tunnels of one node: a device whose link broke dials again
	// before its old tunnel is found dead.
	maxPerNode = 2
)

// ErrIdentity says that a device is not the node that it claims to be.
var ErrIdentity = errors.New("the certificate is of another name")

// Facts are what the gate knows of names.
type Facts interface {
	// Check returns why a name may have no tunnel.
	Check(node string) error
	// Address that is routed for a node.
	Address(node string) (netip.Addr, bool)
}

// Config is what a Server needs.
type Config struct {
	Facts   Facts
	Tickets *ticket.Book
	// Core is the address of CloudCore's tunnel server and TLS what it is dialed with.
	Core string
	TLS  *tls.Config
	Log  *slog.Logger
}

// Server is the handler of tunnels.
type Server struct {
	Config
	upgrader websocket.Upgrader
	dialer   websocket.Dialer
	open     *registry.Registry[*session]
	running  sync.WaitGroup
}

// New returns a Server.
func New(c Config) *Server {
	pool := &sync.Pool{}
	return &Server{
		Config: c,
		open:   registry.New[*session](maxPerNode),
		upgrader: websocket.Upgrader{
			HandshakeTimeout: HandshakeTimeout, ReadBufferSize: readBuffer, WriteBufferSize: writeBuffer, WriteBufferPool: pool,
		},
		dialer: websocket.Dialer{
			TLSClientConfig: c.TLS, HandshakeTimeout: coreTimeout,
			ReadBufferSize: readBuffer, WriteBufferSize: writeBuffer, WriteBufferPool: pool,
		},
	}
}

// ServeHTTP takes a device's tunnel in. CloudCore is dialed first, so that a device
// is told at once when there is none.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.TrimSuffix(r.URL.Path, "/") != path {
		http.NotFound(w, r)
		return
	}
	node, err := s.identify(r)
	if err != nil {
		s.Log.Warn("tunnel refused", "from", r.RemoteAddr, "error", err)
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	core, err := s.dial(r.Context(), node)
	if err != nil {
		s.Log.Warn("no tunnel to CloudCore", "node", node, "error", err)
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	device, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil { // the upgrader has answered
		s.Log.Warn("tunnel refused", "node", node, "from", r.RemoteAddr, "error", err)
		_ = core.Close() // it carried nothing
		return
	}
	// A goroutine of its own lets go of the request and of the server's buffers.
	s.running.Go(func() {
		s.carry(&session{node: node, device: device, core: core, tickets: s.Tickets, log: s.Log})
	})
}

// identify returns the name that a device has proven, when it may have a tunnel.
func (s *Server) identify(r *http.Request) (string, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return "", fmt.Errorf("%w: there is no certificate", ErrIdentity)
	}
	subject := r.TLS.VerifiedChains[0][0].Subject.CommonName
	node := r.Header.Get(headerNode)
	if node == "" || subject != pki.CommonName(node) {
		return "", fmt.Errorf("%w: the tunnel is for node %q and the certificate for %q; set EdgeCore's modules.edged.hostnameOverride to the name that the device joined with",
			ErrIdentity, node, subject)
	}
	return node, s.Facts.Check(node)
}

// dial opens a node's tunnel at CloudCore. What the device says of its address counts
// for nothing; without a routed address CloudCore finds the node by its name alone.
func (s *Server) dial(ctx context.Context, node string) (*websocket.Conn, error) {
	header := http.Header{}
	header.Set(headerNode, node)
	header.Set(headerNodeIP, node)
	if addr, found := s.Facts.Address(node); found {
		header.Set(headerNodeIP, addr.String())
	}
	conn, response, err := s.dialer.DialContext(ctx, "wss://"+s.Core+path, header)
	if response != nil && response.Body != nil {
		_ = response.Body.Close() // at most the beginning of an error's text
	}
	if err != nil {
		return nil, fmt.Errorf("dial CloudCore's tunnel server: %w", err)
	}
	return conn, nil
}

// carry runs a tunnel until it ends.
func (s *Server) carry(session *session) {
	for _, old := range s.open.Add(session.node, session) {
		s.Log.Info("older tunnel of the node cut", "node", old.node)
		old.cut()
	}
	defer s.open.Remove(session.node, session)
	s.Recheck(session.node) // it may have been revoked since identify
	s.Log.Info("tunnel open", "node", session.node)
	session.run()
	s.Log.Info("tunnel closed", "node", session.node)
}

// Recheck cuts the tunnels of a name that may have none any more.
func (s *Server) Recheck(node string) {
	open := s.open.Of(node)
	if len(open) == 0 {
		return
	}
	if reason := s.Facts.Check(node); reason != nil {
		s.Log.Warn("tunnel cut", "node", node, "reason", reason)
		for _, session := range open {
			session.cut()
		}
	}
}

// Close cuts all tunnels and waits for their end.
func (s *Server) Close() {
	for _, session := range s.open.All() {
		session.cut()
	}
	s.running.Wait()
}
