package server

import (
	"crypto/sha256"
	"time"

	"github.com/edgeway-io/edgeway/internal/limit"
)

// signInLimits bound tries to sign in, each of which asks the host cluster: by source, with
// room for an office behind one NAT address, and by token. Guessing a token is hopeless at
// any pace.
type signInLimits struct{ source, token *limit.Rates }

func newSignInLimits(now func() time.Time) signInLimits {
	return signInLimits{source: limit.NewRates(now, 5, 50), token: limit.NewRates(now, 0.5, 10)}
}

// allow knows the token by its hash: a limiter keeps its keys.
func (s signInLimits) allow(source, token string) bool {
	sum := sha256.Sum256([]byte(token))
	return s.source.Allow(source) && s.token.Allow(string(sum[:]))
}
