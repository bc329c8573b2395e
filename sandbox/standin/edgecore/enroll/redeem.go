package enroll

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"

	"github.com/edgeway-io/edgeway/sandbox/standin/pki"
)

// redeemPath is the console's, as edgectl uses it.
const redeemPath = "/api/v1/join/redeem"

// Console is where join codes are redeemed. Pin is "sha256//" and the base64 of the
// SHA-256 of its public key.
type Console struct{ URL, Pin string }

// Redemption of one join code. A code is good for one key, so one whose answer got
// lost is tried again with the same.
type Redemption struct {
	body []byte
	key  []byte // DER
}

// NewRedemption makes the node's key and its request for a certificate.
func NewRedemption(node, code string) (*Redemption, error) {
	csr, key, err := pki.NewCSR(CommonName(node), []string{"system:nodes"})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]string{"code": code,
		"csr": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}))})
	if err != nil {
		return nil, err
	}
	return &Redemption{body: body, key: key}, nil
}

// At trades the code for CloudCore's CA certificate (DER) and a certificate of the
// node.
func (r *Redemption) At(ctx context.Context, c Console) (ca []byte, pair pki.Pair, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+redeemPath, bytes.NewReader(r.body))
	if err != nil {
		return nil, pki.Pair{}, fmt.Errorf("redeem a code: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := do(req, &tls.Config{InsecureSkipVerify: true, VerifyConnection: c.pinned, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, pki.Pair{}, err
	}
	var redeemed struct{ Certificate, CA string }
	if err := json.Unmarshal(answer, &redeemed); err != nil {
		return nil, pki.Pair{}, fmt.Errorf("read the console's answer: %w", err)
	}
	cert, _ := pem.Decode([]byte(redeemed.Certificate))
	root, _ := pem.Decode([]byte(redeemed.CA))
	if cert == nil || root == nil {
		return nil, pki.Pair{}, fmt.Errorf("%w: the console's answer has no certificates", ErrRefused)
	}
	return root.Bytes, pki.Pair{Cert: cert.Bytes, Key: r.key}, nil
}

// pinned says whether the console has the key that it should have.
func (c Console) pinned(s tls.ConnectionState) error {
	sum := sha256.Sum256(s.PeerCertificates[0].RawSubjectPublicKeyInfo)
	if got := "sha256//" + base64.StdEncoding.EncodeToString(sum[:]); got != c.Pin {
		return fmt.Errorf("%w: the console's key is %s", ErrRefused, got)
	}
	return nil
}
