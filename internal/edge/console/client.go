// Package console is edgectl's side of package wire.
package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// ErrPin is wrapped when the server that answers has another key than the pinned one.
var ErrPin = errcat.New("PinMismatch", "the server's key is not the pinned one")

// ErrChecksum is wrapped when a download is not what was promised.
var ErrChecksum = errcat.New("ChecksumMismatch", "checksum does not match")

// Client talks to one console.
type Client struct {
	base string
	http *http.Client
}

var pinPattern = regexp.MustCompile(`^sha256//[A-Za-z0-9+/]{43}=$`)

var sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// New makes a client. server is https://HOST[:PORT][/PATH] (plain http only to
// loopback); pin is "sha256//BASE64" of the server's public key, or empty to
// trust the device's certificate authorities.
func New(server, pin string) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errcat.Errorf("Usage", "--server %q is not a console's address: give https://HOST[:PORT]", server)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, errcat.Errorf("Usage", "--server %q: a join code is not sent unencrypted; give https://HOST[:PORT]", server)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if pin != "" {
		if !pinPattern.MatchString(pin) {
			return nil, errcat.Errorf("Usage", "--pin %q is not sha256//BASE64 of 32 bytes", pin)
		}
		// The chain is left unchecked because the pin says more: exactly this key.
		config.InsecureSkipVerify = true
		config.VerifyConnection = func(s tls.ConnectionState) error { return checkPin(s, pin) }
	}
	transport := &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 40 * time.Second}
	c := &http.Client{Transport: transport, CheckRedirect: noRedirect}
	return &Client{base: strings.TrimRight(u.String(), "/"), http: c}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// noRedirect: a code in a body must not be carried on to somewhere else.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func checkPin(s tls.ConnectionState, pin string) error {
	if len(s.PeerCertificates) == 0 {
		return fmt.Errorf("%w: it showed none", ErrPin)
	}
	if got := Pin(s.PeerCertificates[0]); subtle.ConstantTimeCompare([]byte(got), []byte(pin)) != 1 {
		return fmt.Errorf("%w: it is %s", ErrPin, got)
	}
	return nil
}

// Pin of a certificate's key, as curl's --pinnedpubkey takes it.
func Pin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "sha256//" + base64.StdEncoding.EncodeToString(sum[:])
}

// Lookup asks who the code's holder will be, without using the code up.
func (c *Client) Lookup(ctx context.Context, code string) (*wire.Lookup, error) {
	var out wire.Lookup
	if err := c.post(ctx, wire.PathLookup, wire.CodeRequest{Code: code}, &out); err != nil {
		return nil, err
	}
	if out.NodeName == "" {
		return nil, errcat.New("ConsoleAnswer", "the console's answer names no node")
	}
	return &out, nil
}

// Redeem uses the code up.
func (c *Client) Redeem(ctx context.Context, code string, csrPEM []byte) (*wire.RedeemResponse, error) {
	var out wire.RedeemResponse
	if err := c.post(ctx, wire.PathRedeem, wire.RedeemRequest{Code: code, CSR: string(csrPEM)}, &out); err != nil {
		return nil, err
	}
	for _, part := range []struct{ name, value string }{
		{"certificate", out.Certificate}, {"ca", out.CA}, {"edgecoreConfig", out.EdgeCoreConfig}, {"statusToken", out.StatusToken},
	} {
		if strings.TrimSpace(part.value) == "" {
			return nil, errcat.Errorf("ConsoleAnswer", "field %s of the console's answer is empty", part.name)
		}
	}
	if d := out.EdgeCore; d != nil && !sha256Pattern.MatchString(d.SHA256) {
		return nil, errcat.Errorf("ConsoleAnswer", "field edgecore.sha256 of the console's answer is %q, which is no SHA-256 in hex", d.SHA256)
	}
	return &out, nil
}

// Report tells the console why the device does not join.
func (c *Client) Report(ctx context.Context, report wire.ReportRequest) error {
	return c.post(ctx, wire.PathReport, report, nil)
}

// Status tells how far the join has come.
func (c *Client) Status(ctx context.Context, token string) (*wire.Status, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+wire.PathStatus, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for the status: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	var out wire.Status
	return &out, c.do(req, &out)
}

// SHA256 in hex of a file, as the console says.
func (c *Client) SHA256(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, c.base+path, nil)
	if err != nil {
		return "", fmt.Errorf("asking for %s: %w", path, err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("asking for %s: %w", path, err)
	}
	defer res.Body.Close()
	sum := res.Header.Get(wire.HeaderSHA256)
	if res.StatusCode != http.StatusOK || sum == "" {
		return "", errcat.Errorf("NoDownload", "the console has no %s (%s)", path, res.Status)
	}
	return sum, nil
}

// Download copies a file of the console to w and fails unless its SHA-256 is sum.
func (c *Client) Download(ctx context.Context, path, sum string, w io.Writer) error {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return errcat.Errorf("ConsoleAnswer", "the console names %q for download, which is no path on it", path)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return fmt.Errorf("downloading %s: %w", path, err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("downloading %s: %w", path, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return refusal(res)
	}
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, h), res.Body); err != nil {
		return fmt.Errorf("downloading %s: %w", path, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		return fmt.Errorf("downloading %s: %w: SHA-256 is %s, expected %s", path, ErrChecksum, got, sum)
	}
	return nil
}

func (c *Client) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("asking the console: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking the console: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	return c.do(req, out)
}

func (c *Client) do(req *http.Request, out any) error {
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("asking the console: %w", explain(err, time.Now()))
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNoContent && out == nil {
		return nil
	}
	if res.StatusCode != http.StatusOK {
		return refusal(res)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, wire.MaxBody)).Decode(out); err != nil {
		return errcat.Errorf("ConsoleAnswer", "reading the console's answer: %w", err)
	}
	return nil
}

func refusal(res *http.Response) error {
	var e wire.Error
	err := json.NewDecoder(io.LimitReader(res.Body, wire.MaxBody)).Decode(&e)
	if err != nil || e.Code == "" || strings.TrimSpace(e.Message) == "" {
		return &wire.Error{Code: "ConsoleAnswer", Message: "the server answered " + res.Status + ", which is no answer of the console", Remedy: foreignRemedy(res.StatusCode)}
	}
	return &e
}

// foreignRemedy is about an answer that is not the console's own.
func foreignRemedy(status int) string {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return "a proxy or load balancer before the console answered: check that the console runs and is ready behind it"
	case http.StatusProxyAuthRequired, http.StatusForbidden:
		return "a proxy on the way refuses the request: allow the console's host there, or name it in no_proxy"
	}
	return "check that --server is the console's address"
}

// explain adds a remedy where the error makes its cause probable.
func explain(err error, now time.Time) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var op *net.OpError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%w; this device's clock says %s: set it if that is wrong", err, now.UTC().Format(time.RFC3339))
	case errors.As(err, &unknown):
		return fmt.Errorf("%w; give the console's key with --pin, as the line from the console does, or add its certificate authority to this device", err)
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return fmt.Errorf("%w; the proxy comes from https_proxy: check it, or name the console's host in no_proxy", err)
	}
	return err
}
