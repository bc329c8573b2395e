// Package pki makes and checks the one certificate that a joining device gets.
// It imports the standard library only: edgectl makes its request with it,
// edge-watcher signs with it.
package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

const (
	// Organization that Kubernetes' node authorizer expects.
	Organization = "system:nodes"
	// Validity of a certificate, the same as CloudHub gives; EdgeCore renews it itself.
	Validity = 365 * 24 * time.Hour

	// clockSkew lets a certificate be valid on a device whose clock is a little behind.
	clockSkew = 5 * time.Minute
	maxPEM    = 64 << 10
)

// ErrCSR is wrapped by every refusal of a certificate request.
var ErrCSR = errcat.New("CSRInvalid", "certificate request refused")

// ErrCA is wrapped when KubeEdge's CA cannot be used.
var ErrCA = errcat.New("CAUnusable", "KubeEdge's CA cannot be used")

// CommonName of an edge node's certificate.
func CommonName(nodeName string) string { return "system:node:" + nodeName }

// NewRequest makes a key and the request for nodeName, both in PEM.
func NewRequest(nodeName string) (keyPEM, csrPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the key: %w", err)
	}
	tmpl := &x509.CertificateRequest{Subject: pkix.Name{CommonName: CommonName(nodeName), Organization: []string{Organization}}}
	csr, err := x509.CreateCertificateRequest(rand.Reader, tmpl, key)
	if err != nil {
		return nil, nil, fmt.Errorf("making the certificate request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), nil
}

// CheckRequest accepts a request in PEM only when it asks for exactly what an
// edge node of that name may have: this subject, a P-256 key that it holds, and
// no names or extensions beside.
func CheckRequest(csrPEM []byte, nodeName string) (*x509.CertificateRequest, error) {
	if len(csrPEM) > maxPEM {
		return nil, fmt.Errorf("%w: %d bytes are more than %d", ErrCSR, len(csrPEM), maxPEM)
	}
	block, rest := pem.Decode(csrPEM)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%w: it is not exactly one PEM block CERTIFICATE REQUEST", ErrCSR)
	}
	csr, err := parseRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	if err := checkSubject(csr, nodeName, nil); err != nil {
		return nil, err
	}
	return csr, nil
}

// edgeCoreExtras are the attributes that EdgeCore adds to the subject of its request:
// country, province and locality. CloudCore leaves them out of the certificate.
var edgeCoreExtras = []string{"2.5.4.6", "2.5.4.7", "2.5.4.8"}

// CheckEdgeCoreRequest accepts a request in DER, as EdgeCore sends it to CloudHub, only
// when it asks for what an edge node of that name may have.
func CheckEdgeCoreRequest(csrDER []byte, nodeName string) error {
	csr, err := parseRequest(csrDER)
	if err != nil {
		return err
	}
	return checkSubject(csr, nodeName, edgeCoreExtras)
}

func parseRequest(der []byte) (*x509.CertificateRequest, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCSR, err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: its signature does not match its key: %w", ErrCSR, err)
	}
	key, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: its key is not ECDSA P-256", ErrCSR)
	}
	return csr, nil
}

// checkSubject compares the whole subject: an extra organization would be an
// extra group to kube-apiserver. extras are attributes that change nothing.
func checkSubject(csr *x509.CertificateRequest, nodeName string, extras []string) error {
	names := slices.DeleteFunc(slices.Clone(csr.Subject.Names), func(a pkix.AttributeTypeAndValue) bool {
		return slices.Contains(extras, asn1.ObjectIdentifier(a.Type).String())
	})
	if csr.Subject.CommonName != CommonName(nodeName) || len(csr.Subject.Organization) != 1 ||
		csr.Subject.Organization[0] != Organization || len(names) != 2 {
		return fmt.Errorf("%w: its subject is %q; an edge node of this name gets \"CN=%s,O=%s\" signed and nothing else",
			ErrCSR, csr.Subject.String(), CommonName(nodeName), Organization)
	}
	if len(csr.DNSNames)+len(csr.IPAddresses)+len(csr.EmailAddresses)+len(csr.URIs)+len(csr.Extensions) > 0 {
		return fmt.Errorf("%w: it asks for alternative names or extensions", ErrCSR)
	}
	return nil
}

// CA is KubeEdge's certificate authority.
type CA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// ParseCA reads the CA as KubeEdge stores it: DER, the key SEC 1 (PKCS #8 is
// accepted too).
func ParseCA(certDER, keyDER []byte) (*CA, error) {
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return nil, fmt.Errorf("%w: certificate: %w", ErrCA, err)
	}
	key, err := parseKey(keyDER)
	if err != nil {
		return nil, fmt.Errorf("%w: key: %w", ErrCA, err)
	}
	if !cert.IsCA {
		return nil, fmt.Errorf("%w: its certificate is not a CA's", ErrCA)
	}
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%w: key and certificate do not belong together", ErrCA)
	}
	return &CA{cert: cert, key: key}, nil
}

func parseKey(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errcat.New("CAUnusable", "neither a SEC 1 nor a PKCS #8 key")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errcat.Errorf("CAUnusable", "a %T cannot sign", key)
	}
	return signer, nil
}

// PEM is the CA's certificate.
func (ca *CA) PEM() []byte { return certPEM(ca.cert.Raw) }

// Sign checks the request and signs it for nodeName, as a client certificate and
// nothing else. The result is in PEM.
func (ca *CA) Sign(csrPEM []byte, nodeName string, now time.Time) ([]byte, error) {
	csr, err := CheckRequest(csrPEM, nodeName)
	if err != nil {
		return nil, err
	}
	// The subject is made anew, not copied: nothing of the request but its key gets in.
	tmpl, err := ca.template(pkix.Name{CommonName: CommonName(nodeName), Organization: []string{Organization}}, x509.ExtKeyUsageClientAuth, now)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.cert, csr.PublicKey, ca.key)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate: %w", err)
	}
	return certPEM(der), nil
}

// SignNode signs a client certificate in a node's name for a key of the caller's own. It
// is good for the given time. The result is in DER.
func (ca *CA) SignNode(nodeName string, key crypto.PublicKey, now time.Time, life time.Duration) ([]byte, error) {
	tmpl, err := ca.template(pkix.Name{CommonName: CommonName(nodeName), Organization: []string{Organization}}, x509.ExtKeyUsageClientAuth, now)
	if err != nil {
		return nil, err
	}
	if end := now.Add(life); end.Before(tmpl.NotAfter) {
		tmpl.NotAfter = end
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.cert, key, ca.key)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate: %w", err)
	}
	return der, nil
}

// Certificate is the CA's own.
func (ca *CA) Certificate() *x509.Certificate { return ca.cert }

// SignServer makes a key and signs a server certificate for it, for the addresses and
// DNS names under which devices dial. Both results are in PEM.
func (ca *CA) SignServer(name string, hosts []string, now time.Time) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the key: %w", err)
	}
	tmpl, err := ca.template(pkix.Name{CommonName: name}, x509.ExtKeyUsageServerAuth, now)
	if err != nil {
		return nil, nil, err
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.cert, private.Public(), ca.key)
	if err != nil {
		return nil, nil, fmt.Errorf("signing the certificate: %w", err)
	}
	return certPEM(der), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), nil
}

// template is a certificate for one use that does not outlive the CA.
func (ca *CA) template(subject pkix.Name, usage x509.ExtKeyUsage, now time.Time) (*x509.Certificate, error) {
	if now.After(ca.cert.NotAfter) {
		return nil, fmt.Errorf("%w: it expired at %s", ErrCA, ca.cert.NotAfter.UTC().Format(time.RFC3339))
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	notAfter := now.Add(Validity)
	if notAfter.After(ca.cert.NotAfter) {
		notAfter = ca.cert.NotAfter
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               subject,
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{usage},
		BasicConstraintsValid: true,
	}, nil
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
