package certs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/certs"
	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/enroll"
	"github.com/edgeway-io/edgeway/sandbox/standin/pki"
	"github.com/edgeway-io/edgeway/sandbox/standin/serve"
	"github.com/edgeway-io/edgeway/sandbox/standin/token"
)

type noNodes struct{}

func (noNodes) KubeletPort(context.Context, string) (int, error) {
	return 0, errors.New("not found")
}

// cloudHub starts the HTTPS server and gives its CA and address.
func cloudHub(t *testing.T) (pki.Pair, string) {
	t.Helper()
	ca, err := pki.NewCA("KubeEdge")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(pki.Request{CommonName: "KubeEdge", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Life: time.Hour,
		Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	l, err := serve.Listen("test", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- serve.Run(ctx, l, certs.NewHandler(ca, 365*24*time.Hour, noNodes{}),
			&tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}, nil)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return ca, "https://" + l.Addr().String()
}

func newToken(t *testing.T, cert, key []byte, life time.Duration) string {
	t.Helper()
	s, err := token.New(cert, key, life)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEnrol(t *testing.T) {
	ca, server := cloudHub(t)
	other, err := pki.NewCA("KubeEdge")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		token string
		want  error
		words string
	}{
		"good":             {newToken(t, ca.Cert, ca.Key, time.Hour), nil, ""},
		"expired":          {newToken(t, ca.Cert, ca.Key, -time.Minute), enroll.ErrRefused, token.ErrExpired.Error()},
		"wrong signature":  {newToken(t, ca.Cert, []byte("guessed"), time.Hour), enroll.ErrRefused, token.ErrSignature.Error()},
		"of another CA":    {newToken(t, other.Cert, other.Key, time.Hour), token.ErrOtherCA, "another CA"},
		"malformed":        {"abc", token.ErrMalformed, "four parts"},
		"malformed beyond": {newToken(t, ca.Cert, ca.Key, time.Hour)[:65] + "a.b.c", enroll.ErrRefused, token.ErrMalformed.Error()},
		"none at all":      {"", enroll.ErrRefused, "modules.edgeHub.token"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r := enroll.Request{Node: "jetson", Server: server, Token: tt.token, CAFile: filepath.Join(dir, "ca", "rootCA.crt"),
				CertFile: filepath.Join(dir, "certs", "server.crt"), KeyFile: filepath.Join(dir, "certs", "server.key")}
			err := enroll.Ensure(t.Context(), r)
			if !errors.Is(err, tt.want) || (err != nil && !strings.Contains(err.Error(), tt.words)) {
				t.Fatalf("got %v, want %v with %q", err, tt.want, tt.words)
			}
			if tt.want == nil {
				checkFiles(t, ca, r)
			} else if _, err := tls.LoadX509KeyPair(r.CertFile, r.KeyFile); err == nil {
				t.Error("a refused node has a certificate")
			}
		})
	}
}

func checkFiles(t *testing.T, ca pki.Pair, r enroll.Request) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(r.CertFile, r.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	roots, err := ca.Pool()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	if s := pair.Leaf.Subject.String(); s != "CN=system:node:jetson,O=system:nodes" {
		t.Errorf("subject is %s", s)
	}
	if got, err := pki.ReadPEM(r.CAFile); err != nil || !bytes.Equal(got, ca.Cert) {
		t.Errorf("CA file: %v, equal %v", err, bytes.Equal(got, ca.Cert))
	}
	// With the files in place neither token nor server is needed.
	r.Token, r.Server = "", "https://127.0.0.1:1"
	if err := enroll.Ensure(t.Context(), r); err != nil {
		t.Errorf("certificate in place: %v", err)
	}
	r.Node = "raspberrypi"
	if err := enroll.Ensure(t.Context(), r); !errors.Is(err, enroll.ErrRefused) {
		t.Errorf("another node's certificate: got %v, want ErrRefused", err)
	}
}

// The server tells its refusals apart for clients that are not ours.
func TestRefusalsOnTheWire(t *testing.T) {
	ca, server := cloudHub(t)
	csr, _, err := pki.NewCSR("system:node:jetson", []string{"system:nodes"})
	if err != nil {
		t.Fatal(err)
	}
	good := "Bearer " + newToken(t, ca.Cert, ca.Key, time.Hour)[65:]
	roots, err := ca.Pool()
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	for name, tt := range map[string]struct {
		authorization string
		body          []byte
		status        int
		words         string
	}{
		"good":               {good, csr, 200, ""},
		"no header":          {"", csr, 401, "Authorization: Bearer"},
		"basic":              {"Basic abc", csr, 401, "Authorization: Bearer"},
		"whole token":        {"Bearer " + newToken(t, ca.Cert, ca.Key, time.Hour), csr, 401, token.ErrMalformed.Error()},
		"no signing request": {good, nil, 500, "bad certificate signing request"},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+"/edge.crt", bytes.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", tt.authorization)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err = errors.Join(err, resp.Body.Close()); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || !strings.Contains(string(body), tt.words) {
				t.Errorf("got %d %q, want %d with %q", resp.StatusCode, body, tt.status, tt.words)
			}
			if _, err := http.ParseTime(resp.Header.Get("Date")); err != nil {
				t.Errorf("Date header: %v", err)
			}
		})
	}
}
