package token_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/edgeway-io/edgeway/internal/enroll/token"
)

// TestMint checks a token as CloudHub does: the prefix is the CA's hash, the
// signature is the CA key's, and it expires.
func TestMint(t *testing.T) {
	cert, key := []byte("certificate"), []byte("key")
	expires := time.Now().Add(time.Hour)
	minted, err := token.Mint(cert, key, expires)
	if err != nil {
		t.Fatal(err)
	}
	prefix, signed, _ := strings.Cut(minted, ".")
	if hash := sha256.Sum256(cert); prefix != hex.EncodeToString(hash[:]) {
		t.Errorf("the prefix is %s", prefix)
	}
	withKey := func(k []byte) jwt.Keyfunc { return func(*jwt.Token) (any, error) { return k, nil } }
	only := jwt.WithValidMethods([]string{"HS256"})
	if _, err := jwt.Parse(signed, withKey(key), only, jwt.WithExpirationRequired()); err != nil {
		t.Errorf("a valid token is refused: %v", err)
	}
	if _, err := jwt.Parse(signed, withKey([]byte("other")), only); !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
		t.Errorf("another CA's key gives %v", err)
	}
	later := jwt.WithTimeFunc(func() time.Time { return expires.Add(time.Second) })
	if _, err := jwt.Parse(signed, withKey(key), only, later); !errors.Is(err, jwt.ErrTokenExpired) {
		t.Errorf("after its end it gives %v", err)
	}
	if _, err := token.Mint(nil, key, expires); err == nil {
		t.Error("a token was made without a CA")
	}
}

func TestSealedTokenOpensForItsRequestOnly(t *testing.T) {
	mine, other := recipient(t), recipient(t)
	sealed, err := token.Seal(mine.PublicKey(), "edge-1-abc", "secret")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), "secret") {
		t.Error("the token can be read")
	}
	if got, err := mine.Open("edge-1-abc", sealed); err != nil || got != "secret" {
		t.Errorf("got %q, %v", got, err)
	}
	for name, open := range map[string]func() (string, error){
		"another recipient":  func() (string, error) { return other.Open("edge-1-abc", sealed) },
		"another enrollment": func() (string, error) { return mine.Open("edge-2-abc", sealed) },
		"a changed byte": func() (string, error) {
			bad := append([]byte(nil), sealed...)
			bad[len(bad)-1] ^= 1
			return mine.Open("edge-1-abc", bad)
		},
		"nothing": func() (string, error) { return mine.Open("edge-1-abc", nil) },
	} {
		if got, err := open(); !errors.Is(err, token.ErrSealed) {
			t.Errorf("%s opens it: %q, %v", name, got, err)
		}
	}
	if _, err := token.Seal([]byte("short"), "e", "secret"); !errors.Is(err, token.ErrSealed) {
		t.Errorf("sealing to no key gives %v", err)
	}
}

func recipient(t *testing.T) *token.Recipient {
	t.Helper()
	r, err := token.NewRecipient()
	if err != nil {
		t.Fatal(err)
	}
	return r
}
