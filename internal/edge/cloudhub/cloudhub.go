// Package cloudhub gets an edge node's certificate from CloudHub with KubeEdge's
// own join token, as EdgeCore would: for devices that do not reach the console.
package cloudhub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// ErrCAHash is wrapped when CloudHub shows another CA than the token is of.
var ErrCAHash = errcat.New("CloudHubCA", "CloudHub's CA is not the one that this join token is of")

// ErrToken is wrapped when CloudHub refuses the token.
var ErrToken = errcat.New("CloudHubToken", "CloudHub refused the join token")

const (
	maxAnswer = 1 << 20
	timeout   = 30 * time.Second
)

// Client asks one CloudHub.
type Client struct {
	base    string
	caHash  string
	token   string
	dial    time.Duration
	timeout time.Duration
}

// New makes a client of CloudHub's HTTPS service. token is
// hex(SHA-256(CA)) + "." + JWT.
func New(host string, port int, token string) (*Client, error) {
	hash, jwt, ok := strings.Cut(token, ".")
	if raw, err := hex.DecodeString(hash); !ok || err != nil || len(raw) != sha256.Size || jwt == "" {
		return nil, errcat.New("CloudHubToken", "the join token is not usable: it does not begin with the CA's hash").Fix("get a new one from the console")
	}
	return &Client{base: "https://" + net.JoinHostPort(host, strconv.Itoa(port)), caHash: strings.ToLower(hash), token: jwt,
		dial: 10 * time.Second, timeout: timeout}, nil
}

// Certificate gets the CA, which must have the token's hash, and a certificate for
// the request. csrPEM is a request in PEM; both answers are in PEM.
func (c *Client) Certificate(ctx context.Context, nodeName string, csrPEM []byte) (caPEM, certPEM []byte, err error) {
	caDER, err := c.ca(ctx)
	if err != nil {
		return nil, nil, err
	}
	ca, err := x509.ParseCertificate(caDER)
	if err != nil {
		return nil, nil, fmt.Errorf("reading CloudHub's CA: %w", err)
	}
	block, _ := pem.Decode(csrPEM)
	if block == nil {
		return nil, nil, errcat.New("JoinRecordUnreadable", "the certificate request is not PEM")
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	// CloudHub's own certificate may be for another name than it is dialled by
	// (a port mapping); that it is of this CA is what EdgeCore asks for as well.
	verify := func(s tls.ConnectionState) error { return signedBy(s, roots) }
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/edge.crt", bytes.NewReader(block.Bytes))
	if err != nil {
		return nil, nil, fmt.Errorf("asking CloudHub for a certificate: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("NodeName", nodeName)
	der, err := c.do(req, verify)
	if err != nil {
		return nil, nil, err
	}
	if _, err := x509.ParseCertificate(der); err != nil {
		return nil, nil, fmt.Errorf("reading CloudHub's certificate for this node: %w", err)
	}
	return encode(caDER), encode(der), nil
}

// ca is fetched from whoever answers: the hash tells whether it is the right one.
func (c *Client) ca(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/ca.crt", nil)
	if err != nil {
		return nil, fmt.Errorf("asking CloudHub for its CA: %w", err)
	}
	der, err := c.do(req, nil)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	if got := hex.EncodeToString(sum[:]); subtle.ConstantTimeCompare([]byte(got), []byte(c.caHash)) != 1 {
		return nil, fmt.Errorf("%w: its SHA-256 is %s, the token's %s; is %s the right cluster?", ErrCAHash, got, c.caHash, c.base)
	}
	return der, nil
}

func signedBy(s tls.ConnectionState, roots *x509.CertPool) error {
	if len(s.PeerCertificates) == 0 {
		return errcat.New("CloudHubAnswer", "CloudHub showed no certificate")
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}

func (c *Client) do(req *http.Request, verify func(tls.ConnectionState) error) ([]byte, error) {
	transport := &http.Transport{
		DialContext:     (&net.Dialer{Timeout: c.dial}).DialContext,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: verify},
	}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport, Timeout: c.timeout}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking CloudHub: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading CloudHub's answer: %w", err)
	}
	switch res.StatusCode {
	case http.StatusOK:
		return body, nil
	case http.StatusUnauthorized:
		return nil, fmt.Errorf("%w: %s; get a new bundle or token from the console", ErrToken, firstLine(body))
	}
	return nil, errcat.Errorf("CloudHubAnswer", "CloudHub answered %s: %s", res.Status, firstLine(body))
}

func firstLine(body []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	const most = 200
	line = strings.ToValidUTF8(line[:min(len(line), most)], "")
	// Whoever answers must not write to the terminal more than text.
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, line)
}

func encode(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
