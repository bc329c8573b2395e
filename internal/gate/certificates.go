package gate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/edgeway-io/edgeway/internal/streamcert"
)

// certificates are those of Secret cloudcore-stream. edge-watcher restarts the pods
// after it renewed them, since CloudCore reads its part once, too.
type certificates struct {
	server, client tls.Certificate
	core           *x509.CertPool
}

func loadCertificates(dir string) (*certificates, error) {
	file := func(name string) string { return filepath.Join(dir, name) }
	server, serverErr := tls.LoadX509KeyPair(file(streamcert.KeyCert), file(streamcert.KeyKey))
	client, clientErr := tls.LoadX509KeyPair(file(streamcert.KeyGateCert), file(streamcert.KeyGateKey))
	ca, caErr := os.ReadFile(file(streamcert.KeyCA))
	if err := errors.Join(serverErr, clientErr, caErr); err != nil {
		return nil, fmt.Errorf("read certificates; mount Secret kubeedge/%s at %s (--cert-dir): %w", streamcert.SecretName, dir, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate; mount Secret kubeedge/%s at %s (--cert-dir)", file(streamcert.KeyCA), streamcert.SecretName, dir)
	}
	return &certificates{server: server, client: client, core: pool}, nil
}

// toCallers asks for a client certificate and leaves it to package access to check it,
// since a bearer token is as good.
func (c *certificates) toCallers() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.server}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
}

// toCore verifies CloudCore: another process that took its port gets no tunnel.
func (c *certificates) toCore() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{c.client}, RootCAs: c.core, ServerName: streamcert.CoreName, MinVersion: tls.VersionTLS12,
		// A resumed session exchanges no certificates, of which each tunnel would hold a copy.
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
		// Each connection keeps the buffers of its handshake; post-quantum keys, which are
		// of no use on a loopback, would more than double them.
		CurvePreferences: []tls.CurveID{tls.X25519},
	}
}
