package token

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestVerify(t *testing.T) {
	ca, key, otherKey := []byte("ca certificate"), []byte("ca key"), []byte("another key")
	make := func(key []byte, life time.Duration) string {
		t.Helper()
		full, err := New(ca, key, life)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := Split(full, ca)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	sign := func(method jwt.SigningMethod, claims jwt.Claims, key any) string {
		t.Helper()
		s, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	later := jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour))}
	good := make(key, time.Hour)
	tests := map[string]struct {
		token string
		want  error
	}{
		"good":               {good, nil},
		"expired":            {make(key, -time.Hour), ErrExpired},
		"other key":          {make(otherKey, time.Hour), ErrSignature},
		"signature cut":      {good[:len(good)-4], ErrSignature},
		"none algorithm":     {sign(jwt.SigningMethodNone, later, jwt.UnsafeAllowNoneSignatureType), ErrSignature},
		"HS512":              {sign(jwt.SigningMethodHS512, later, key), nil},
		"no expiry":          {sign(jwt.SigningMethodHS256, jwt.RegisteredClaims{}, key), nil},
		"with the CA's hash": {hash(ca) + "." + good, ErrMalformed},
		"nothing":            {"", ErrMalformed},
		"one word":           {"hello", ErrMalformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := Verify(tt.token, key); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	ca := []byte("ca certificate")
	full, err := New(ca, []byte("key"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(full, ".") != 3 || !strings.HasPrefix(full, hash(ca)+".") {
		t.Errorf("token is %q, want <CA hash>.<JWT>", full)
	}
	for name, tt := range map[string]struct {
		token string
		ca    []byte
		want  error
	}{
		"good":        {full, ca, nil},
		"with spaces": {"  " + full + "\n", ca, nil},
		"other CA":    {full, []byte("another"), ErrOtherCA},
		"bare JWT":    {full[65:], ca, ErrMalformed},
		"nothing":     {"", ca, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Split(tt.token, tt.ca); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
