// Package token makes and checks KubeEdge's join tokens: the SHA-256 of the CA
// certificate in hex, a dot, and a JWT signed with the CA's private key.
package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Why a token is refused.
var (
	ErrMalformed = errors.New("the token is malformed")
	ErrExpired   = errors.New("the token has expired")
	ErrSignature = errors.New("the token was not signed by this CloudCore's CA")
	ErrOtherCA   = errors.New("the token belongs to another CA")
)

// New makes a token of the CA (certificate and key in DER) that is good for life.
func New(caDER, caKeyDER []byte, life time.Duration) (string, error) {
	claims := jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(time.Now().Add(life))}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(caKeyDER)
	if err != nil {
		return "", fmt.Errorf("sign the token: %w", err)
	}
	return hash(caDER) + "." + signed, nil
}

// Split checks on the edge that the token was made for the CA certificate that
// CloudHub presented, and gives the part that CloudHub wants to see. The error is
// ErrMalformed or ErrOtherCA.
func Split(token string, caDER []byte) (string, error) {
	want, signed, ok := strings.Cut(strings.TrimSpace(token), ".")
	if !ok || strings.Count(signed, ".") != 2 {
		return "", fmt.Errorf("%w: want four parts with dots between them, <CA hash>.<JWT>", ErrMalformed)
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(hash(caDER))) != 1 {
		return "", fmt.Errorf("%w: it names CA %.12s…, CloudHub presents %.12s…", ErrOtherCA, want, hash(caDER))
	}
	return signed, nil
}

// Verify checks in CloudHub the part that Split gives. The error is ErrMalformed,
// ErrExpired or ErrSignature.
func Verify(signed string, caKeyDER []byte) error {
	_, err := jwt.Parse(signed,
		func(*jwt.Token) (any, error) { return caKeyDER, nil },
		// As the real one: any HMAC will do, and a token without an expiry never expires.
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg(), jwt.SigningMethodHS384.Alg(), jwt.SigningMethodHS512.Alg()}))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return fmt.Errorf("%w: %w", ErrSignature, err)
	case errors.Is(err, jwt.ErrTokenExpired):
		return fmt.Errorf("%w: %w", ErrExpired, err)
	default:
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
}

func hash(caDER []byte) string {
	sum := sha256.Sum256(caDER)
	return hex.EncodeToString(sum[:])
}
