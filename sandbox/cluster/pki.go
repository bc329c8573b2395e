package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// PKI keeps the cluster's certificate authorities and certificates as PEM files
// in one directory. What is there is used again.
type PKI struct{ Dir string }

// Names of the authorities. kube-apiserver takes one CA for clients and another
// for the front proxy, not one for both.
const (
	clusterCA    = "ca"
	frontProxyCA = "front-proxy-ca"
)

const validity = 365 * 24 * time.Hour

// File is the path of a PEM file: a certificate with ".crt", a key with ".key".
func (p PKI) File(name string) string { return filepath.Join(p.Dir, name) }

// ensureCA makes a certificate authority unless it is there.
func (p PKI) ensureCA(name string) error {
	return p.ensure(name, func(key *ecdsa.PrivateKey) ([]byte, error) {
		t, err := template(pkix.Name{CommonName: "edgeway-sandbox-" + name})
		if err != nil {
			return nil, err
		}
		t.IsCA, t.BasicConstraintsValid = true, true
		t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
		return x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	})
}

// subject of a certificate: a user (and groups) for clients, names for servers.
type subject struct {
	user   string
	groups []string
	names  []string // DNS names and IP addresses
}

// ensureCert makes a certificate for client and server use unless it is there.
func (p PKI) ensureCert(ca, name string, s subject) error {
	return p.ensure(name, func(key *ecdsa.PrivateKey) ([]byte, error) {
		caCert, caKey, err := p.load(ca)
		if err != nil {
			return nil, err
		}
		t, err := template(pkix.Name{CommonName: s.user, Organization: s.groups})
		if err != nil {
			return nil, err
		}
		t.KeyUsage = x509.KeyUsageDigitalSignature
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
		for _, n := range s.names {
			if ip := net.ParseIP(n); ip != nil {
				t.IPAddresses = append(t.IPAddresses, ip)
			} else {
				t.DNSNames = append(t.DNSNames, n)
			}
		}
		return x509.CreateCertificate(rand.Reader, t, caCert, key.Public(), caKey)
	})
}

// ensureKey makes a key pair without a certificate: name.key and name.pub.
func (p PKI) ensureKey(name string) error {
	if exists(p.File(name+".key")) && exists(p.File(name+".pub")) {
		return nil
	}
	key, err := p.newKey(name)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("key %s: %w", name, err)
	}
	return writePEM(p.File(name+".pub"), "PUBLIC KEY", der)
}

func (p PKI) ensure(name string, sign func(*ecdsa.PrivateKey) ([]byte, error)) error {
	if exists(p.File(name+".key")) && exists(p.File(name+".crt")) {
		return nil
	}
	key, err := p.newKey(name)
	if err != nil {
		return err
	}
	der, err := sign(key)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", name, err)
	}
	return writePEM(p.File(name+".crt"), "CERTIFICATE", der)
}

func (p PKI) newKey(name string) (*ecdsa.PrivateKey, error) {
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", name, err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", name, err)
	}
	return key, writePEM(p.File(name+".key"), "EC PRIVATE KEY", der)
}

func (p PKI) load(name string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certDER, err := readPEM(p.File(name + ".crt"))
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate %s: %w", name, err)
	}
	keyDER, err := readPEM(p.File(name + ".key"))
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(keyDER)
	if err != nil {
		return nil, nil, fmt.Errorf("key %s: %w", name, err)
	}
	return cert, key, nil
}

func template(name pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{SerialNumber: serial, Subject: name, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(validity)}, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

func readPEM(file string) ([]byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", file)
	}
	return block.Bytes, nil
}
