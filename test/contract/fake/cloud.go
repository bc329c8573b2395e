// Package fake is the cloud as an EdgeCore sees it: CloudHub's HTTPS server and
// connections, and the server of stream tunnels, on free ports of the loopback. It hands
// everything that comes to the suite and answers nothing by itself but certificates.
package fake

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
)

// Cloud is a fake cloud.
type Cloud struct {
	// HTTPS, Hub and Tunnel are addresses (host:port).
	HTTPS, Hub, Tunnel string
	// CA is in DER.
	CA []byte

	key     *ecdsa.PrivateKey
	root    *x509.Certificate
	mu      sync.Mutex
	refuse  int
	asked   []Asked
	Hubs    chan *Socket
	Tunnels chan *Socket
	servers []*http.Server
}

// Asked is a request to CloudHub's HTTPS server.
type Asked struct {
	Path   string
	Header http.Header
	CSR    *x509.CertificateRequest // of /edge.crt
	// Cert is the client's, if it showed one.
	Cert *x509.Certificate
}

// Socket is a WebSocket that EdgeCore opened.
type Socket struct {
	*websocket.Conn
	Request *http.Request
	At      time.Time
	// Pings counts those that came; they are answered unless Mute was set before.
	Pings chan struct{}
	done  chan struct{}
}

// Options of a Cloud.
type Options struct {
	// OtherTunnelCA makes the tunnel present a certificate of an unknown CA, OtherHubCA
	// CloudHub's connections.
	OtherTunnelCA, OtherHubCA bool
	// Mute leaves pings of tunnels unanswered.
	Mute bool
}

// Start starts the servers.
func Start(o Options) (*Cloud, error) {
	c := &Cloud{Hubs: make(chan *Socket, 100), Tunnels: make(chan *Socket, 100)}
	var err error
	if c.key, c.root, err = newCA(); err != nil {
		return nil, err
	}
	c.CA = c.root.Raw
	own, err := c.serving(c.key, c.root)
	if err != nil {
		return nil, err
	}
	otherKey, otherRoot, err := newCA()
	if err != nil {
		return nil, err
	}
	other, err := c.serving(otherKey, otherRoot)
	if err != nil {
		return nil, err
	}
	pick := func(other_ bool) tls.Certificate {
		if other_ {
			return other
		}
		return own
	}
	clients := x509.NewCertPool()
	clients.AddCert(c.root)
	mutual := func(cert tls.Certificate) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
	}
	if c.HTTPS, err = c.serve(http.HandlerFunc(c.certificates), &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequestClientCert}); err != nil {
		return nil, err
	}
	if c.Hub, err = c.serve(sockets(c.Hubs, false), mutual(pick(o.OtherHubCA))); err != nil {
		return nil, err
	}
	c.Tunnel, err = c.serve(sockets(c.Tunnels, o.Mute), mutual(pick(o.OtherTunnelCA)))
	return c, err
}

// Stop ends the servers and what they serve.
func (c *Cloud) Stop() {
	for _, s := range c.servers {
		_ = s.Close() // nothing is left to be told
	}
}

// Refuse makes /edge.crt answer with a status; 0 for none.
func (c *Cloud) Refuse(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = status
}

// Asked gives the requests so far.
func (c *Cloud) Asked() []Asked {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Asked(nil), c.asked...)
}

// Token is one that KubeEdge would give out for this cloud's CA.
func (c *Cloud) Token() (string, error) { return c.TokenOf(c.CA) }

// TokenOf is a token that names another CA.
func (c *Cloud) TokenOf(ca []byte) (string, error) {
	sum := sha256.Sum256(ca)
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour))}).SignedString([]byte("key"))
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return hex.EncodeToString(sum[:]) + "." + signed, nil
}

func (c *Cloud) serve(h http.Handler, conf *tls.Config) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	s := &http.Server{Handler: h, TLSConfig: conf, ErrorLog: quiet()}
	c.servers = append(c.servers, s)
	go func() { _ = s.ServeTLS(l, "", "") }() // it ends with Stop
	return l.Addr().String(), nil
}

func (c *Cloud) certificates(w http.ResponseWriter, r *http.Request) {
	asked := Asked{Path: r.URL.Path, Header: r.Header}
	if len(r.TLS.PeerCertificates) > 0 {
		asked.Cert = r.TLS.PeerCertificates[0]
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the asker left
	}
	answer := c.CA
	c.mu.Lock()
	refuse := c.refuse
	c.mu.Unlock()
	if r.URL.Path == "/edge.crt" {
		if asked.CSR, err = x509.ParseCertificateRequest(body); err == nil {
			answer, err = c.Sign(asked.CSR.Subject, asked.CSR.PublicKey)
		}
		if err != nil {
			refuse = http.StatusInternalServerError
		}
	} else {
		refuse = 0
	}
	c.mu.Lock()
	c.asked = append(c.asked, asked)
	c.mu.Unlock()
	if refuse != 0 {
		http.Error(w, "refused", refuse)
		return
	}
	_, _ = w.Write(answer) // an asker that left needs no answer
}

// Sign gives a client certificate in DER.
func (c *Cloud) Sign(subject pkix.Name, key any) ([]byte, error) {
	return x509.CreateCertificate(rand.Reader, template(subject), c.root, key, c.key)
}

func (c *Cloud) serving(key *ecdsa.PrivateKey, root *x509.Certificate) (tls.Certificate, error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	t := template(pkix.Name{CommonName: "KubeEdge"})
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	der, err := x509.CreateCertificate(rand.Reader, t, root, own.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own}, nil
}

func template(subject pkix.Name) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: subject,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
}

func newCA() (*ecdsa.PrivateKey, *x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	t := template(pkix.Name{CommonName: "KubeEdge"})
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("make a CA: %w", err)
	}
	root, err := x509.ParseCertificate(der)
	return key, root, err
}

// sockets hands WebSockets to the suite until they end.
func sockets(to chan<- *Socket, mute bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &Socket{Request: r, At: time.Now(), Pings: make(chan struct{}, 1000), done: make(chan struct{})}
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{OnPingReceived: func(context.Context, []byte) bool {
			s.Pings <- struct{}{}
			return !mute
		}})
		if err != nil {
			return
		}
		ws.SetReadLimit(-1)
		s.Conn = ws
		to <- s
		<-s.done
	})
}

// Leave ends the WebSocket.
func (s *Socket) Leave() {
	_ = s.CloseNow() // it is gone either way
	select {
	case <-s.done:
	default:
		close(s.done)
	}
}
