// Package enroll gets an edge node its certificate from CloudHub by a join token.
package enroll

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/sandbox/standin/pki"
	"github.com/edgeway-io/edgeway/sandbox/standin/token"
)

// ErrRefused is a refusal by the server, or of the server by us: trying again with the
// same token is of no use.
var ErrRefused = errors.New("refused")

// timeout bounds one request to CloudHub.
const timeout = 20 * time.Second

// maxAnswer bounds CloudHub's answer in bytes.
const maxAnswer = 1 << 20

// Request says for whom a certificate is and where it goes. Server is CloudHub's
// https://HOST:PORT.
type Request struct {
	Node, Server, Token       string
	CAFile, CertFile, KeyFile string
}

// Ensure leaves a certificate of the node, its key and CloudCore's CA in the
// request's files. What is in place already is used as it is, without a token.
func Ensure(ctx context.Context, r Request) error {
	have := r.inPlace()
	if have == nil {
		return nil
	}
	slog.Info("no usable certificate yet", "node", r.Node, "why", have)
	if r.Token == "" {
		return fmt.Errorf("%w: there is neither a certificate nor a join token; set modules.edgeHub.token, or put the certificate into %s and its key into %s",
			ErrRefused, r.CertFile, r.KeyFile)
	}
	ca, pair, err := Fetch(ctx, r)
	if err != nil {
		return err
	}
	if err := pki.WritePEM(r.CAFile, pki.BlockCertificate, ca); err != nil {
		return err
	}
	if err := pki.WritePEM(r.KeyFile, pki.BlockKey, pair.Key); err != nil {
		return err
	}
	if err := pki.WritePEM(r.CertFile, pki.BlockCertificate, pair.Cert); err != nil {
		return err
	}
	slog.Info("got a certificate", "node", r.Node, "file", r.CertFile)
	return nil
}

// inPlace gives nil when the files hold a certificate of this node.
func (r Request) inPlace() error {
	cert, err := tls.LoadX509KeyPair(r.CertFile, r.KeyFile)
	if err != nil {
		return err
	}
	if got, want := cert.Leaf.Subject.CommonName, CommonName(r.Node); got != want {
		return fmt.Errorf("the certificate in %s is of %q, this node is %q", r.CertFile, got, want)
	}
	_, err = pki.ReadPEM(r.CAFile)
	return err
}

// CommonName is the name in a node's certificate.
func CommonName(node string) string { return "system:node:" + node }

// Fetch gets CloudCore's CA certificate (DER) and a certificate of the node.
func Fetch(ctx context.Context, r Request) (ca []byte, pair pki.Pair, err error) {
	ca, err = fetchCA(ctx, r.Server)
	if err != nil {
		return nil, pki.Pair{}, err
	}
	signed, err := token.Split(r.Token, ca)
	if err != nil {
		return nil, pki.Pair{}, fmt.Errorf("%w: %w; get a new join command", ErrRefused, err)
	}
	csr, key, err := pki.NewCSR(CommonName(r.Node), []string{"system:nodes"})
	if err != nil {
		return nil, pki.Pair{}, err
	}
	cert, err := fetchCertificate(ctx, r, ca, signed, csr)
	if err != nil {
		return nil, pki.Pair{}, err
	}
	return ca, pki.Pair{Cert: cert, Key: key}, nil
}

// fetchCA gets the CA from a server that nothing is known about yet; the hash in
// the token tells afterwards whether it was the right one.
func fetchCA(ctx context.Context, server string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/ca.crt", nil)
	if err != nil {
		return nil, fmt.Errorf("ask for the CA: %w", err)
	}
	return do(req, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
}

func fetchCertificate(ctx context.Context, r Request, ca []byte, signed string, csr []byte) ([]byte, error) {
	roots, err := pki.Pair{Cert: ca}.Pool()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Server+"/edge.crt", bytes.NewReader(csr))
	if err != nil {
		return nil, fmt.Errorf("ask for a certificate: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+signed)
	req.Header.Set("NodeName", r.Node)
	cert, err := do(req, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	if _, err := x509.ParseCertificate(cert); err != nil {
		return nil, fmt.Errorf("CloudHub's answer is no certificate: %w", err)
	}
	return cert, nil
}

// do sends a request and gives the body of a 200. A 4xx but "too many" is ErrRefused
// with the server's own words.
func do(req *http.Request, conf *tls.Config) ([]byte, error) {
	transport := &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport, Timeout: timeout}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", req.URL.Host, err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", req.URL.Host, err)
	}
	words := strings.TrimSpace(string(body))
	switch {
	case resp.StatusCode == http.StatusOK:
		return body, nil
	case resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusTooManyRequests:
		return nil, fmt.Errorf("%w by %s (%s): %s", ErrRefused, req.URL.Host, resp.Status, words)
	default:
		return nil, fmt.Errorf("%s answered %s: %s", req.URL.Host, resp.Status, words)
	}
}
