package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

const (
	ownCertLife = 365 * 24 * time.Hour
	// ownCertRenew is how long before its end a certificate is made anew.
	ownCertRenew = 30 * 24 * time.Hour
	clockSkew    = time.Hour
)

// LoadCertificate reads a certificate and key from files, or makes its own in
// dataDir when certFile is empty. The own key is kept for good, because join
// commands pin it; the certificate is made anew when it is near its end or lacks
// one of hosts (DNS names and IP addresses).
func LoadCertificate(certFile, keyFile, dataDir string, hosts []string, now time.Time) (tls.Certificate, error) {
	if certFile != "" || keyFile != "" {
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("load --tls-cert %q and --tls-key %q: %w", certFile, keyFile, err)
		}
		return cert, nil
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return tls.Certificate{}, fmt.Errorf("make --data-dir: %w", err)
	}
	key, err := ownKey(filepath.Join(dataDir, "console.key"))
	if err != nil {
		return tls.Certificate{}, err
	}
	return ownCertificate(filepath.Join(dataDir, "console.crt"), key, hosts, now)
}

// KeyPin is the pin of a certificate's key as curl's --pinnedpubkey takes it.
func KeyPin(cert tls.Certificate) (string, error) {
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return "", fmt.Errorf("parse certificate: %w", err)
	}
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return "sha256//" + base64.StdEncoding.EncodeToString(sum[:]), nil
}

func ownKey(path string) (*ecdsa.PrivateKey, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the console's key: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errcat.Errorf("ConsoleKey", "%s holds no PEM key: remove it to have a new one made (join commands already given out then fail)", path)
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, errcat.Errorf("ConsoleKey", "read the console's key %s: %w; remove it to have a new one made (join commands already given out then fail)", path, err)
	}
	return key, nil
}

func makeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the console's key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the console's key: %w", err)
	}
	raw := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		return nil, fmt.Errorf("keep the console's key: %w", err)
	}
	return key, nil
}

func ownCertificate(path string, key *ecdsa.PrivateKey, hosts []string, now time.Time) (tls.Certificate, error) {
	if raw, err := os.ReadFile(path); err == nil {
		if block, _ := pem.Decode(raw); block != nil && stillGood(block.Bytes, key, hosts, now) {
			return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}, nil
		}
	}
	der, err := signOwn(key, hosts, now)
	if err != nil {
		return tls.Certificate{}, err
	}
	raw := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		return tls.Certificate{}, fmt.Errorf("keep the console's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func stillGood(der []byte, key *ecdsa.PrivateKey, hosts []string, now time.Time) bool {
	cert, err := x509.ParseCertificate(der)
	if err != nil || now.Add(ownCertRenew).After(cert.NotAfter) || !key.PublicKey.Equal(cert.PublicKey) {
		return false
	}
	return !slices.ContainsFunc(hosts, func(h string) bool { return cert.VerifyHostname(h) != nil })
}

func signOwn(key *ecdsa.PrivateKey, hosts []string, now time.Time) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Edgeway console"},
		NotBefore: now.Add(-clockSkew), NotAfter: now.Add(ownCertLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sign the console's certificate: %w", err)
	}
	return der, nil
}
