package streamcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// lifetime of the certificate; Ensure replaces it after two thirds.
const lifetime = 365 * 24 * time.Hour

// Pair is a server certificate with its CA, in PEM.
type Pair struct {
	CA, Cert, Key []byte
	NotAfter      time.Time
}

// files are what Secret cloudcore-stream holds: CloudCore's and the gate's server
// certificate, and the client certificate by which CloudCore knows the gate. All are
// signed by one CA, which signs nothing else, so no device has a certificate of it.
type files struct {
	Pair
	gateCert, gateKey []byte
}

func (f files) data() map[string][]byte {
	return map[string][]byte{
		KeyCA: f.CA, KeyCert: f.Cert, KeyKey: f.Key, KeyGateCert: f.gateCert, KeyGateKey: f.gateKey,
	}
}

// generate makes the certificates of CloudStream and of the gate before it.
func generate(namespace string, now time.Time) (files, error) {
	ca, err := newAuthority("edgeway stream CA", now)
	if err != nil {
		return files{}, err
	}
	pair, err := ca.server("cloudstream", serviceNames(namespace), now)
	if err != nil {
		return files{}, err
	}
	cert, key, _, err := ca.issue("stream-gate", nil, x509.ExtKeyUsageClientAuth, now)
	if err != nil {
		return files{}, err
	}
	return files{Pair: pair, gateCert: cert, gateKey: key}, nil
}

// Generate makes a CA, signs one server certificate for dnsNames with it and forgets
// the CA's key: every renewal brings a CA of its own. It lives for a year.
func Generate(caName, name string, dnsNames []string, now time.Time) (Pair, error) {
	ca, err := newAuthority(caName, now)
	if err != nil {
		return Pair{}, err
	}
	return ca.server(name, dnsNames, now)
}

// authority is a CA whose key is never stored.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(name string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make CA key: %w", err)
	}
	cert, err := template(name, now)
	if err != nil {
		return nil, err
	}
	cert.IsCA, cert.BasicConstraintsValid = true, true
	cert.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign CA: %w", err)
	}
	return &authority{cert: cert, key: key, pem: encode("CERTIFICATE", der)}, nil
}

func (a *authority) server(name string, dnsNames []string, now time.Time) (Pair, error) {
	cert, key, notAfter, err := a.issue(name, dnsNames, x509.ExtKeyUsageServerAuth, now)
	return Pair{CA: a.pem, Cert: cert, Key: key, NotAfter: notAfter}, err
}

// issue makes a key and signs a certificate for it, both in PEM.
func (a *authority) issue(name string, dnsNames []string, usage x509.ExtKeyUsage, now time.Time) (cert, key []byte, notAfter time.Time, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, time.Time{}, fmt.Errorf("make key: %w", err)
	}
	leaf, err := template(name, now)
	if err != nil {
		return nil, nil, time.Time{}, err
	}
	leaf.DNSNames = dnsNames
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	certDER, err := x509.CreateCertificate(rand.Reader, leaf, a.cert, private.Public(), a.key)
	if err != nil {
		return nil, nil, time.Time{}, fmt.Errorf("sign certificate: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, time.Time{}, fmt.Errorf("encode key: %w", err)
	}
	return encode("CERTIFICATE", certDER), encode("EC PRIVATE KEY", keyDER), leaf.NotAfter, nil
}

func encode(block string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der})
}

// template backdates by an hour, for clocks that disagree.
func template(name string, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name, Organization: []string{"edgeway"}},
		NotBefore:    now.Add(-time.Hour).UTC().Truncate(time.Second),
		NotAfter:     now.Add(lifetime).UTC().Truncate(time.Second),
	}, nil
}

// serviceNames under which CloudStream is reached inside the cluster. Requests
// of the apiserver go to edge nodes' addresses, which it does not verify.
func serviceNames(namespace string) []string {
	var names []string
	for _, service := range []string{"cloudcore-stream", "cloudcore"} {
		names = append(names, service, service+"."+namespace, service+"."+namespace+".svc", service+"."+namespace+".svc.cluster.local")
	}
	return names
}
