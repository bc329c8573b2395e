// Package token makes KubeEdge's own join tokens and hands them to the one who
// asked.
//
// A token is reusable until it expires and bound to no node: CloudHub signs any
// subject for whoever shows one. So a token never lies readable in an object:
// edge-watcher, which alone reads the CA's key, seals it to a key that only the
// asking console holds, and for the time of one request.
package token

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// KeySize is the length of a recipient's public key in bytes (X25519).
const KeySize = 32

// ErrSealed is wrapped when a sealed token cannot be made or opened.
var ErrSealed = errcat.New("TokenUnusable", "sealed join token")

// Mint makes the token that CloudHub of this CA accepts until expires:
// hex(SHA-256(CA certificate)) + "." + a JWT, HS256 with the CA's private key.
// Both parts of the CA are DER, as KubeEdge's Secret casecret holds them.
func Mint(caCertDER, caKeyDER []byte, expires time.Time) (string, error) {
	if len(caCertDER) == 0 || len(caKeyDER) == 0 {
		return "", errcat.New("CAUnusable", "making a join token: KubeEdge's CA is not complete")
	}
	claims := jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(expires)}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(caKeyDER)
	if err != nil {
		return "", fmt.Errorf("making a join token: %w", err)
	}
	hash := sha256.Sum256(caCertDER)
	return hex.EncodeToString(hash[:]) + "." + signed, nil
}

// Recipient holds the private key of one request.
type Recipient struct {
	private hpke.PrivateKey
	public  []byte
}

// NewRecipient makes a key for one request.
func NewRecipient() (*Recipient, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("%w: making a key: %w", ErrSealed, err)
	}
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("%w: making a key: %w", ErrSealed, err)
	}
	return &Recipient{private: private, public: key.PublicKey().Bytes()}, nil
}

// PublicKey is what the token is sealed to, KeySize bytes.
func (r *Recipient) PublicKey() []byte { return r.public }

// info binds a sealed token to its enrollment: put into another one, it does not open.
func info(enrollment string) []byte { return []byte("edgeway.io join token of " + enrollment) }

// Seal encrypts a token so that only the holder of the public key's private half
// reads it (HPKE, RFC 9180: X25519, HKDF-SHA256, ChaCha20-Poly1305).
func Seal(publicKey []byte, enrollment, token string) ([]byte, error) {
	key, err := ecdh.X25519().NewPublicKey(publicKey)
	if err != nil {
		return nil, fmt.Errorf("%w: the public key is not %d bytes of X25519: %w", ErrSealed, KeySize, err)
	}
	public, err := hpke.NewDHKEMPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	sealed, err := hpke.Seal(public, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info(enrollment), []byte(token))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	return sealed, nil
}

// Open is Seal's other half.
func (r *Recipient) Open(enrollment string, sealed []byte) (string, error) {
	token, err := hpke.Open(r.private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info(enrollment), sealed)
	if err != nil {
		return "", fmt.Errorf("%w: it is not for this request: %w", ErrSealed, err)
	}
	return string(token), nil
}
