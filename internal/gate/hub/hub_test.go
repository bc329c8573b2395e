package hub

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	"github.com/edgeway-io/edgeway/internal/streamcert"
)

// patience bounds waits on a busy machine.
const patience = 30 * time.Second

// site is a gate before a CloudHub that a test writes.
type site struct {
	core, gate *httptest.Server
	server     *Server
	refuse     atomic.Bool // what Facts say of every name
}

// errRefused is why no name may have a connection.
var errRefused = errors.New("refused")

func (s *site) Check(string) error {
	if s.refuse.Load() {
		return errRefused
	}
	return nil
}

// ToHub gives CloudHub the name as the server's, which the tests' CloudHub looks at.
func (s *site) ToHub(node string, protocols ...string) (*tls.Config, error) {
	return &tls.Config{InsecureSkipVerify: true, ServerName: node, NextProtos: protocols}, nil
}

// start starts both; devices have a certificate of node n.
func start(t *testing.T, cloudHub http.Handler) *site {
	t.Helper()
	s := &site{core: httptest.NewUnstartedServer(cloudHub)}
	s.core.EnableHTTP2 = true
	s.core.StartTLS()
	t.Cleanup(s.core.Close)
	log := slog.New(slog.DiscardHandler)
	s.server = New(Config{Facts: s, Core: s.core.Listener.Addr().String(), Log: log})
	s.gate = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS.VerifiedChains = [][]*x509.Certificate{{nodeCert}}
		s.server.ServeHTTP(w, r)
	}))
	s.gate.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	s.gate.StartTLS()
	t.Cleanup(func() {
		s.server.Close()
		s.gate.Close()
	})
	return s
}

// nodeCert stands for what the handshake proves, which test/gate has.
var nodeCert = &x509.Certificate{}

func init() {
	nodeCert.Subject.CommonName, nodeCert.Subject.Organization = pki.CommonName("n"), []string{pki.Organization}
}

func (s *site) dial(t *testing.T) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, EnableCompression: true, Subprotocols: []string{"messages"}}
	return dialer.DialContext(t.Context(), "wss://"+s.gate.Listener.Addr().String()+"/project/n/events",
		http.Header{headerNode: {"n"}, "project_id": {"p"}, "ConnectionUse": {"msg"}, "Authorization": {"Bearer secret"}})
}

func (s *site) connect(t *testing.T) *websocket.Conn {
	t.Helper()
	conn, _, err := s.dial(t)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestWhatCloudHubHears: the proven name, what makes a WebSocket, and nothing else.
func TestWhatCloudHubHears(t *testing.T) {
	heard := make(chan *http.Request, 1)
	up := websocket.Upgrader{EnableCompression: true, Subprotocols: []string{"messages"}}
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard <- r
		conn, err := up.Upgrade(w, r, http.Header{"X-Of-CloudHub": {"yes"}})
		if err != nil {
			t.Error(err)
			return
		}
		// The first message comes with the answer, before the device says anything.
		_ = conn.WriteMessage(websocket.TextMessage, []byte("first"))
		_, _, _ = conn.ReadMessage()
		_ = conn.Close()
	}))
	conn, response, err := s.dial(t)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if response.Header.Get("X-Of-CloudHub") != "yes" || conn.Subprotocol() != "messages" || !strings.Contains(response.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
		t.Errorf("CloudHub's answer has become %v", response.Header)
	}
	if _, message, err := conn.ReadMessage(); err != nil || string(message) != "first" {
		t.Errorf("the first message is %q, %v", message, err)
	}
	r := <-heard
	if r.TLS.ServerName != "n" || r.Header.Get("node_id") != "n" || r.Header.Get("project_id") != "p" || r.Header.Get("ConnectionUse") != "msg" ||
		r.RequestURI != "/project/n/events" || r.Header.Get("Authorization") != "" {
		t.Errorf("CloudHub heard %s %v as %s", r.RequestURI, r.Header, r.TLS.ServerName)
	}
}

// TestCloseCodesPass, and so does the end of a connection without a farewell.
func TestCloseCodesPass(t *testing.T) {
	ended := make(chan error, 1)
	var up websocket.Upgrader
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := up.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		for {
			_, message, err := conn.ReadMessage()
			if err != nil {
				ended <- err
				return // the device hears the end of the bytes
			}
			if string(message) == "close" {
				_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "by CloudHub"), time.Now().Add(patience))
				_ = conn.Close()
				ended <- nil
				return
			}
		}
	}))
	write := func(conn *websocket.Conn, kind int, data []byte) {
		t.Helper()
		if err := conn.WriteMessage(kind, data); err != nil {
			t.Fatal(err)
		}
	}
	read := func(conn *websocket.Conn) error {
		_, _, err := conn.ReadMessage()
		return err
	}
	conn := s.connect(t)
	write(conn, websocket.TextMessage, []byte("close"))
	if err := read(conn); !websocket.IsCloseError(err, 4001) || !strings.Contains(err.Error(), "by CloudHub") {
		t.Errorf("CloudHub's farewell arrives as %v", err)
	}
	<-ended

	conn = s.connect(t)
	write(conn, websocket.CloseMessage, websocket.FormatCloseMessage(4002, "by the device"))
	if err := <-ended; !websocket.IsCloseError(err, 4002) || !strings.Contains(err.Error(), "by the device") {
		t.Errorf("the device's farewell arrives as %v", err)
	}

	conn = s.connect(t)
	_ = conn.NetConn().(*tls.Conn).NetConn().Close() // as when the device loses its power
	if err := <-ended; err == nil {
		t.Error("CloudHub does not hear that the device is gone")
	}
}

// TestRefusals: a refusal of CloudHub's is told, and without a CloudHub the device hears it.
func TestRefusals(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "too many", http.StatusServiceUnavailable) }))
	answer := func() (int, string) {
		_, response, err := s.dial(t)
		if err == nil || response == nil {
			t.Fatalf("the connection is open, or nothing is answered: %v", err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if status, text := answer(); status != http.StatusServiceUnavailable || !strings.Contains(text, "too many") {
		t.Errorf("got %d %s", status, text)
	}
	s.refuse.Store(true)
	if status, text := answer(); status != http.StatusForbidden || !strings.Contains(text, "refused") {
		t.Errorf("got %d %s", status, text)
	}
	s.refuse.Store(false)
	s.core.Close()
	if status, text := answer(); status != http.StatusBadGateway || !strings.Contains(text, "CloudHub") {
		t.Errorf("got %d %s", status, text)
	}
}

// TestCut: a name that loses its right loses its connections, also those to a device that
// does not read.
func TestCut(t *testing.T) {
	var up websocket.Upgrader
	flooded := make(chan struct{})
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := up.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		block := make([]byte, 1<<20)
		for { // until nothing more fits on the way
			if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
				return
			}
			if conn.WriteMessage(websocket.BinaryMessage, block) != nil {
				break
			}
		}
		close(flooded)
		<-r.Context().Done()
	}))
	s.connect(t)
	<-flooded
	s.refuse.Store(true)
	s.server.Recheck("n")
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.server.running.Wait()
	}()
	select {
	case <-done:
	case <-time.After(patience / 2): // less than a write may take
		t.Error("the connection goes on")
	}
}

// TestHTTP2 passes a connection on as a whole.
func TestHTTP2(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = fmt.Fprintf(w, "%s %s %d", r.Proto, r.TLS.ServerName, len(body))
	}))
	// The gate of this test asks for no certificate, so the connection is handed over here.
	device, gate := pipe(t)
	handed := make(chan struct{})
	go func() {
		defer close(handed)
		core, err := s.server.dial(context.Background(), "n", "h2")
		if err != nil {
			t.Error(err)
			return
		}
		s.server.carry(s.server.http2, &session{node: "n", device: gate, core: core})
	}()
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: device}}
	for range 3 {
		response, err := client.Post("https://cloudhub/", "text/plain", strings.NewReader(strings.Repeat("x", 100<<10)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close() // it was read
		if err != nil || string(body) != "HTTP/2.0 n 102400" {
			t.Errorf("got %q, %v", body, err)
		}
	}
	client.CloseIdleConnections()
	<-handed
}

// pipe is a TLS connection that negotiated HTTP/2: how the device dials it, and the gate's
// end of it.
func pipe(t *testing.T) (func(context.Context, string, string) (net.Conn, error), *tls.Conn) {
	t.Helper()
	own, err := streamcert.Generate("gate", "gate", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(own.Cert, own.Key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // one connection is enough
	dialed := make(chan net.Conn, 1)
	go func() {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Error(err)
		}
		dialed <- conn
	}()
	gate, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := gate.(*tls.Conn).Handshake(); err != nil {
		t.Fatal(err)
	}
	device := <-dialed
	return func(context.Context, string, string) (net.Conn, error) { return device, nil }, gate.(*tls.Conn)
}
