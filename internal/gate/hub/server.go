// Package hub is the gate before CloudHub. CloudHub takes a node's name from a header,
// and a connection whose name is not the certificate's stays open there: it writes in that
// name, and its end disconnects the real node. Here such a connection is refused before
// CloudHub hears of it, and a name that is revoked, retired or deleted is cut.
//
// A connection that is let in passes as it is, byte by byte. CloudHub sees a certificate
// of the very node, signed in memory, so its own authorization goes on holding.
//
// Invariant: CloudHub hears no name that was not proven.
package hub

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/edgeway-io/edgeway/internal/gate/registry"
	"github.com/edgeway-io/edgeway/internal/gate/subject"
)

// headerNode is the header in which a device says its name. CloudHub believes it.
const headerNode = "node_id"

// passedHeaders are what CloudHub reads of a request, and what makes a WebSocket.
var passedHeaders = []string{
	headerNode, "project_id", "ConnectionUse",
	"Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol",
}

const (
	// coreTimeout bounds the handshakes with CloudHub, which is on this host.
	coreTimeout = 5 * time.Second
	// maxAnswer bounds the text of CloudHub's refusal that goes on to the device.
	maxAnswer = 4 << 10

	// maxSockets bounds the WebSockets of one node: a device whose link broke dials again
	// before its old connection is found dead. CloudHub serves the latest.
	maxSockets = 2
	// maxHTTP2 bounds the HTTP/2 connections of one node.
	maxHTTP2 = 8
)

// ErrIdentity says that a device is not the node that it claims to be.
var ErrIdentity = errors.New("the certificate is of another name")

// Facts are what the gate knows of names.
type Facts interface {
	// Check returns why a name may have no connection.
	Check(node string) error
	// ToHub is what CloudHub is dialed with in a node's name.
	ToHub(node string, protocols ...string) (*tls.Config, error)
}

// Config is what a Server needs.
type Config struct {
	Facts Facts
	// Core is the address of CloudHub.
	Core string
	Log  *slog.Logger
}

// Server is the handler of devices' connections to CloudHub.
type Server struct {
	Config
	sockets, http2 *registry.Registry[*session]
	running        sync.WaitGroup
}

// New returns a Server.
func New(c Config) *Server {
	return &Server{Config: c, sockets: registry.New[*session](maxSockets), http2: registry.New[*session](maxHTTP2)}
}

// ServeHTTP takes a WebSocket in. CloudHub is dialed first, so that a device is told at
// once when there is none.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	node, err := s.identify(r)
	if err != nil {
		s.Log.Warn("connection to CloudHub refused", "from", r.RemoteAddr, "error", err)
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	if !websocket.IsWebSocketUpgrade(r) {
		http.Error(w, "CloudHub speaks WebSocket: send Connection: Upgrade and Upgrade: websocket", http.StatusUpgradeRequired)
		return
	}
	core, answer, first, err := s.open(r, node)
	if err != nil {
		s.Log.Warn("no connection to CloudHub", "node", node, "error", err)
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		http.Error(w, string(first), answer.StatusCode)
		_ = core.Close() // it carries nothing
		return
	}
	s.take(w, &session{node: node, core: core}, answer, first)
}

// identify returns the name that a device has proven, when it may have a connection.
func (s *Server) identify(r *http.Request) (string, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return "", fmt.Errorf("%w: there is no certificate", ErrIdentity)
	}
	node, err := s.admit(r.TLS.VerifiedChains[0][0])
	if err != nil {
		return "", err
	}
	if claimed := r.Header.Values(headerNode); len(claimed) != 1 || claimed[0] != node {
		return "", fmt.Errorf("%w: the connection is for node %q and the certificate for %q; set EdgeCore's modules.edged.hostnameOverride to the name that the device joined with",
			ErrIdentity, r.Header.Get(headerNode), node)
	}
	return node, nil
}

// admit returns the name in a certificate when it may have a connection.
func (s *Server) admit(cert *x509.Certificate) (string, error) {
	node, err := subject.Node(cert)
	if err != nil {
		return "", err
	}
	return node, s.Facts.Check(node)
}

// open asks CloudHub for the WebSocket. It returns CloudHub's answer with the bytes after
// its headers: the first of the connection, or a refusal's text.
func (s *Server) open(r *http.Request, node string) (net.Conn, *http.Response, []byte, error) {
	core, err := s.dial(r.Context(), node, "http/1.1")
	if err != nil {
		return nil, nil, nil, err
	}
	answer, first, err := ask(core, s.request(r, node))
	if err != nil {
		_ = core.Close() // it carries nothing
		return nil, nil, nil, fmt.Errorf("ask CloudHub: %w", err)
	}
	return core, answer, first, nil
}

func (s *Server) dial(ctx context.Context, node, protocol string) (*tls.Conn, error) {
	config, err := s.Facts.ToHub(node, protocol)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, coreTimeout)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", s.Core)
	if err != nil {
		return nil, fmt.Errorf("dial CloudHub: %w", err)
	}
	return conn.(*tls.Conn), nil
}

// request is what CloudHub hears of a device's request.
func (s *Server) request(r *http.Request, node string) *http.Request {
	out := &http.Request{Method: http.MethodGet, URL: r.URL, Host: s.Core, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}}
	for _, name := range passedHeaders {
		if value := r.Header.Get(name); value != "" {
			out.Header.Set(name, value)
		}
	}
	out.Header.Set(headerNode, node)
	return out
}

func ask(core net.Conn, r *http.Request) (*http.Response, []byte, error) {
	if err := core.SetDeadline(time.Now().Add(coreTimeout)); err != nil {
		return nil, nil, err
	}
	if err := r.Write(core); err != nil {
		return nil, nil, err
	}
	reader := bufio.NewReaderSize(core, maxAnswer)
	answer, err := http.ReadResponse(reader, r)
	if err != nil {
		return nil, nil, err
	}
	var first []byte
	if answer.StatusCode == http.StatusSwitchingProtocols {
		first, err = reader.Peek(reader.Buffered())
		first = bytes.Clone(first)
	} else {
		first, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	}
	return answer, first, errors.Join(err, core.SetDeadline(time.Time{}))
}

// take answers the device as CloudHub did and passes bytes from then on.
func (s *Server) take(w http.ResponseWriter, session *session, answer *http.Response, first []byte) {
	device, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.Log.Error("cannot take the connection over", "node", session.node, "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		_ = session.core.Close() // it carries nothing
		return
	}
	session.device = device
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = answer.Header.Write(&head) // a buffer takes everything
	head.WriteString("\r\n")
	head.Write(first)
	session.toDevice = head.Bytes()
	if n := buffered.Reader.Buffered(); n > 0 { // the device did not wait for the answer
		session.toCore, _ = buffered.Reader.Peek(n) // they are there
		session.toCore = bytes.Clone(session.toCore)
	}
	// A goroutine of its own lets go of the request and of the server's buffers.
	s.running.Go(func() { s.carry(s.sockets, session) })
}

// ServeHTTP2 passes a connection on that negotiated HTTP/2, in the name that its
// certificate proves. No name in it counts for CloudHub: a WebSocket needs HTTP/1.1.
func (s *Server) ServeHTTP2(device *tls.Conn) {
	chains := device.ConnectionState().VerifiedChains
	if len(chains) == 0 {
		return
	}
	node, err := s.admit(chains[0][0])
	if err != nil {
		s.Log.Warn("connection to CloudHub refused", "from", device.RemoteAddr().String(), "error", err)
		return
	}
	core, err := s.dial(context.Background(), node, "h2")
	if err != nil {
		s.Log.Warn("no connection to CloudHub", "node", node, "error", err)
		return
	}
	if core.ConnectionState().NegotiatedProtocol != "h2" {
		_ = core.Close() // it carries nothing
		return
	}
	s.running.Add(1)
	defer s.running.Done()
	s.carry(s.http2, &session{node: node, device: device, core: core})
}

// carry passes bytes until the connection ends.
func (s *Server) carry(open *registry.Registry[*session], session *session) {
	for _, old := range open.Add(session.node, session) {
		s.Log.Info("older connection of the node cut", "node", old.node)
		old.cut()
	}
	defer open.Remove(session.node, session)
	s.Recheck(session.node) // it may have been revoked since identify
	s.Log.Info("connection to CloudHub open", "node", session.node)
	session.run()
	s.Log.Info("connection to CloudHub closed", "node", session.node)
}

// Recheck cuts the connections of a name that may have none any more.
func (s *Server) Recheck(node string) {
	open := append(s.sockets.Of(node), s.http2.Of(node)...)
	if len(open) == 0 {
		return
	}
	if reason := s.Facts.Check(node); reason != nil {
		s.Log.Warn("connection to CloudHub cut", "node", node, "reason", reason)
		for _, session := range open {
			session.cut()
		}
	}
}

// Close cuts all connections and waits for their end.
func (s *Server) Close() {
	for _, session := range append(s.sockets.All(), s.http2.All()...) {
		session.cut()
	}
	s.running.Wait()
}
