package figures

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/edgeway-io/edgeway/internal/streamcert"
)

const (
	handshakeTimeout = 5 * time.Second
	// idleTimeout is longer than the pause between two samples of a node.
	idleTimeout = 90 * time.Second
	// idleConns to one gate wait for the next sample; it answers for thousands of nodes.
	idleConns = 32
)

// sender sends a request, as http.Client.Do.
type sender func(*http.Request) (*http.Response, error)

func newClient(conf *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: conf, TLSHandshakeTimeout: handshakeTimeout,
			MaxIdleConnsPerHost: idleConns, IdleConnTimeout: idleTimeout,
		},
		// A redirect would carry the token to whom the answer names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// kubeletClient verifies kubelets where the cluster says who signs their certificates.
// Most clusters do not: a kubelet then signs its own, and the API server verifies none
// either. What an impostor gains is a short-lived token that reads figures and no more.
func kubeletClient(ca []byte) (*http.Client, error) {
	if len(ca) == 0 {
		return newClient(&tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}), nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("the kubelets' CA holds no certificate in PEM; put the CA that signs kubelets' serving certificates there")
	}
	return newClient(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}), nil
}

// gateClient verifies gates. Each renewal of their certificates brings a CA of its own,
// so the CA is read again when a gate is not recognized.
type gateClient struct {
	ca func(context.Context) ([]byte, error)

	mu     sync.Mutex
	pem    []byte
	client *http.Client
}

func (g *gateClient) do(request *http.Request) (*http.Response, error) {
	client, err := g.current(request.Context(), nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	var stranger x509.UnknownAuthorityError
	if !errors.As(err, &stranger) {
		return response, err
	}
	newer, readErr := g.current(request.Context(), client)
	if readErr != nil || newer == client {
		return nil, errors.Join(err, readErr)
	}
	return newer.Do(request)
}

// current is the client that verifies by the CA as it was read last. With stale, the
// client that failed, the CA is read again, unless somebody has done so meanwhile.
func (g *gateClient) current(ctx context.Context, stale *http.Client) (*http.Client, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.client != nil && g.client != stale {
		return g.client, nil
	}
	ca, err := g.ca(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: the gate cannot be verified: %w", ErrUnreachable, err)
	}
	if g.client != nil && bytes.Equal(ca, g.pem) {
		return g.client, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%w: the gate cannot be verified: its CA holds no certificate", ErrUnreachable)
	}
	if g.client != nil {
		g.client.CloseIdleConnections()
	}
	g.pem = ca
	g.client = newClient(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: streamcert.CoreName})
	return g.client, nil
}
