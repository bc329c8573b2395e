package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"
)

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// caDER makes a CA like KubeEdge's: self-signed, P-256, key in SEC 1.
func caDER(t *testing.T, isCA bool) (cert, key []byte) {
	t.Helper()
	k := newKey(t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1024), Subject: pkix.Name{CommonName: "KubeEdge"},
		NotBefore: epoch.Add(-time.Hour), NotAfter: epoch.Add(100 * Validity), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true, IsCA: isCA}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	key, err = x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func testCA(t *testing.T) *CA {
	t.Helper()
	ca, err := ParseCA(caDER(t, true))
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func request(t *testing.T, tmpl *x509.CertificateRequest, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, tmpl, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func TestSignGivesExactlyANodesClientCertificate(t *testing.T) {
	ca := testCA(t)
	_, csr, err := NewRequest("jetson-xavier")
	if err != nil {
		t.Fatal(err)
	}
	certPEM, err := ca.Sign(csr, "jetson-xavier", epoch)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(certPEM)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if got := cert.Subject.String(); got != "CN=system:node:jetson-xavier,O=system:nodes" {
		t.Errorf("subject is %s", got)
	}
	if len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth || cert.IsCA || cert.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("usages are %v %v, CA %v", cert.ExtKeyUsage, cert.KeyUsage, cert.IsCA)
	}
	if len(cert.DNSNames)+len(cert.IPAddresses) > 0 {
		t.Error("it carries alternative names")
	}
	if got := cert.NotAfter.Sub(epoch); got != Validity {
		t.Errorf("it is valid for %s", got)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: epoch, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
}

func TestSignRefuses(t *testing.T) {
	ca := testCA(t)
	key := newKey(t)
	good := pkix.Name{CommonName: "system:node:edge-1", Organization: []string{"system:nodes"}}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*x509.CertificateRequest)) []byte {
		tmpl := &x509.CertificateRequest{Subject: good}
		change(tmpl)
		return request(t, tmpl, key)
	}
	valid := with(func(*x509.CertificateRequest) {})
	broken, _ := pem.Decode(valid)
	broken.Bytes[len(broken.Bytes)-1] ^= 1
	tests := map[string][]byte{
		"another node's name": with(func(r *x509.CertificateRequest) { r.Subject.CommonName = "system:node:edge-2" }),
		"a user's name":       with(func(r *x509.CertificateRequest) { r.Subject.CommonName = "admin" }),
		"another group":       with(func(r *x509.CertificateRequest) { r.Subject.Organization = []string{"system:masters"} }),
		"a second group": with(func(r *x509.CertificateRequest) {
			r.Subject.Organization = []string{"system:nodes", "system:masters"}
		}),
		"no group":           with(func(r *x509.CertificateRequest) { r.Subject.Organization = nil }),
		"more of a subject":  with(func(r *x509.CertificateRequest) { r.Subject.Country = []string{"NL"} }),
		"a DNS name":         with(func(r *x509.CertificateRequest) { r.DNSNames = []string{"kubernetes"} }),
		"an address":         with(func(r *x509.CertificateRequest) { r.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 1)} }),
		"an RSA key":         request(t, &x509.CertificateRequest{Subject: good}, rsaKey),
		"a P-384 key":        request(t, &x509.CertificateRequest{Subject: good}, p384),
		"a broken signature": pem.EncodeToMemory(broken),
		"two blocks":         append(append([]byte{}, valid...), valid...),
		"a certificate":      pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: broken.Bytes}),
		"nothing":            nil,
		"no DER":             pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte("x")}),
		"too much":           append(make([]byte, maxPEM), valid...),
	}
	for name, csr := range tests {
		t.Run(name, func(t *testing.T) {
			if cert, err := ca.Sign(csr, "edge-1", epoch); !errors.Is(err, ErrCSR) || cert != nil {
				t.Errorf("got %d bytes and error %v, want ErrCSR", len(cert), err)
			}
		})
	}
	if _, err := ca.Sign(valid, "edge-1", epoch); err != nil {
		t.Errorf("the unchanged request is refused as well: %v", err)
	}
}

func TestParseCARefuses(t *testing.T) {
	cert, key := caDER(t, true)
	_, otherKey := caDER(t, true)
	leaf, leafKey := caDER(t, false)
	for name, in := range map[string][2][]byte{
		"no certificate": {nil, key}, "no key": {cert, nil}, "another CA's key": {cert, otherKey}, "no CA": {leaf, leafKey},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseCA(in[0], in[1]); !errors.Is(err, ErrCA) {
				t.Errorf("got %v, want ErrCA", err)
			}
		})
	}
	k, err := x509.ParseECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseCA(cert, pkcs8); err != nil {
		t.Errorf("a PKCS #8 key: %v", err)
	}
}

func TestSignRefusesWithAnExpiredCA(t *testing.T) {
	_, csr, err := NewRequest("edge-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := testCA(t).Sign(csr, "edge-1", epoch.Add(101*Validity)); !errors.Is(err, ErrCA) {
		t.Errorf("got %v, want ErrCA", err)
	}
}
