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

func (p Pair) data() map[string][]byte {
	return map[string][]byte{KeyCA: p.CA, KeyCert: p.Cert, KeyKey: p.Key}
}

// generate makes CloudStream's certificate.
func generate(namespace string, now time.Time) (Pair, error) {
	return Generate("edgeway stream CA", "cloudstream", serviceNames(namespace), now)
}

// Generate makes a CA, signs one server certificate for dnsNames with it and forgets
// the CA's key: every renewal brings a CA of its own. It lives for a year.
func Generate(caName, name string, dnsNames []string, now time.Time) (Pair, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make CA key: %w", err)
	}
	ca, err := template(caName, now)
	if err != nil {
		return Pair{}, err
	}
	ca.IsCA, ca.BasicConstraintsValid = true, true
	ca.KeyUsage = x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return Pair{}, fmt.Errorf("sign CA: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make key: %w", err)
	}
	leaf, err := template(name, now)
	if err != nil {
		return Pair{}, err
	}
	leaf.DNSNames = dnsNames
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return Pair{}, fmt.Errorf("sign certificate: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encode key: %w", err)
	}
	return Pair{
		CA:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}),
		Cert:     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER}),
		Key:      pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
		NotAfter: leaf.NotAfter,
	}, nil
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
