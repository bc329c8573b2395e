// Package pki makes keys and certificates the way KubeEdge stores them: ECDSA
// P-256, certificates in DER, keys in SEC 1 DER.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Century is how long KubeEdge's CA and CloudCore's own certificate live.
const Century = 100 * 364 * 24 * time.Hour

// ErrBadRequest is a certificate signing request that cannot be signed.
var ErrBadRequest = errors.New("bad certificate signing request")

// Pair is a certificate and its private key, both in DER.
type Pair struct {
	Cert []byte
	Key  []byte
}

// Request says what a certificate is for.
type Request struct {
	CommonName   string
	Organization []string
	DNSNames     []string
	IPs          []net.IP
	Usages       []x509.ExtKeyUsage
	Life         time.Duration
}

// NewCA makes a self-signed CA.
func NewCA(commonName string) (Pair, error) {
	key, keyDER, err := newKey()
	if err != nil {
		return Pair{}, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().UTC(),
		NotAfter:              time.Now().Add(Century),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Pair{}, fmt.Errorf("sign CA %q: %w", commonName, err)
	}
	return Pair{Cert: der, Key: keyDER}, nil
}

// Issue makes a key and a certificate for it that the CA signs.
func (ca Pair) Issue(r Request) (Pair, error) {
	key, keyDER, err := newKey()
	if err != nil {
		return Pair{}, err
	}
	der, err := ca.sign(r, key.Public())
	if err != nil {
		return Pair{}, err
	}
	return Pair{Cert: der, Key: keyDER}, nil
}

// SignCSR signs a request in DER with the names it asks for, as KubeEdge does,
// and gives the certificate in DER. The error of a useless request is
// ErrBadRequest.
func (ca Pair) SignCSR(csrDER []byte, usages []x509.ExtKeyUsage, life time.Duration) ([]byte, error) {
	csr, err := x509.ParseCertificateRequest(csrDER)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	if csr.Subject.CommonName == "" {
		return nil, fmt.Errorf("%w: it has no common name", ErrBadRequest)
	}
	return ca.sign(Request{
		CommonName:   csr.Subject.CommonName,
		Organization: csr.Subject.Organization,
		DNSNames:     csr.DNSNames,
		IPs:          csr.IPAddresses,
		Usages:       usages,
		Life:         life,
	}, csr.PublicKey)
}

func (ca Pair) sign(r Request, public any) ([]byte, error) {
	issuer, err := ca.TLS()
	if err != nil {
		return nil, fmt.Errorf("load the CA: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{
		Subject:      pkix.Name{CommonName: r.CommonName, Organization: r.Organization},
		DNSNames:     r.DNSNames,
		IPAddresses:  r.IPs,
		SerialNumber: serial,
		NotBefore:    time.Now().UTC(),
		NotAfter:     time.Now().Add(r.Life),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:  r.Usages,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.Leaf, public, issuer.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %q: %w", r.CommonName, err)
	}
	return der, nil
}

// TLS gives the pair as crypto/tls wants it, Leaf filled in.
func (p Pair) TLS() (tls.Certificate, error) {
	leaf, err := x509.ParseCertificate(p.Cert)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("parse certificate: %w", err)
	}
	key, err := parseKey(p.Key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{p.Cert}, PrivateKey: key, Leaf: leaf}, nil
}

// Pool gives a certificate pool that holds the pair's certificate only.
func (p Pair) Pool() (*x509.CertPool, error) {
	cert, err := x509.ParseCertificate(p.Cert)
	if err != nil {
		return nil, fmt.Errorf("parse CA certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool, nil
}

// NewCSR makes a key and a signing request for it; both in DER.
func NewCSR(commonName string, organization []string) (csrDER, keyDER []byte, err error) {
	key, keyDER, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: commonName, Organization: organization}}
	csrDER, err = x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, nil, fmt.Errorf("make signing request of %q: %w", commonName, err)
	}
	return csrDER, keyDER, nil
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the key: %w", err)
	}
	return key, der, nil
}

// parseKey accepts PKCS #8 besides SEC 1: a CA brought from elsewhere may be
// stored that way.
func parseKey(der []byte) (any, error) {
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse private key: neither SEC 1 nor PKCS #8: %w", err)
	}
	return key, nil
}
