package cluster

import (
	"crypto/x509"
	"os"
	"testing"
)

func TestPKI(t *testing.T) {
	p := PKI{Dir: t.TempDir()}
	if err := p.ensureCA("ca"); err != nil {
		t.Fatal(err)
	}
	s := subject{user: "system:node:n1", groups: []string{"system:nodes"}, names: []string{"n1", "198.18.0.2"}}
	if err := p.ensureCert("ca", "n1", s); err != nil {
		t.Fatal(err)
	}
	ca, _, err := p.load("ca")
	if err != nil {
		t.Fatal(err)
	}
	cert, _, err := p.load("n1")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	for _, name := range s.names {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("as %s: %v", name, err)
		}
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: "other"}); err == nil {
		t.Error("the certificate is good for a name it was not made for")
	}
	before, err := os.ReadFile(p.File("n1.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.ensureCert("ca", "n1", s); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(p.File("n1.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Error("a certificate that was there was made anew")
	}
}
