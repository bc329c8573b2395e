package joinhttp

import (
	"crypto/sha256"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/limit"
)

// limits bound tries with join codes and status tokens: by source, so that one host cannot
// use up what is there for all; by what is shown, so that devices behind one NAT address do
// not share an allowance; and altogether, to protect the API server.
type limits struct {
	codes, tokens kindLimits
	// unknownTokens of a source, each of which costs the API server a read. Codes have a
	// tighter limit by source anyway.
	unknownTokens *limit.Rates
}

type kindLimits struct {
	source, secret *limit.Rates
	all            *rate.Limiter
}

func newLimits(now func() time.Time) *limits {
	return &limits{
		// A batch of devices behind one NAT address joins at once; guessing 140 bits does
		// not come any nearer at this pace.
		codes: kindLimits{limit.NewRates(now, 5, 100), limit.NewRates(now, 0.5, 20), rate.NewLimiter(50, 500)},
		// edgectl asks once a second until its node is there.
		tokens:        kindLimits{limit.NewRates(now, 100, 500), limit.NewRates(now, 2, 20), rate.NewLimiter(300, 1000)},
		unknownTokens: limit.NewRates(now, 0.5, 20),
	}
}

// limited counts the tries of a source, and of all together, before anything is read.
func (h *Handler) limited(kind *kindLimits, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !kind.source.Allow(h.proxies.Source(r)) || !kind.all.AllowN(h.now(), 1) {
			h.tooMany(w, r)
			return
		}
		next(w, r)
	}
}

// once counts a try with one secret, and answers when it is one too many. The secret is
// known by its hash: a limiter keeps its keys.
func (h *Handler) once(w http.ResponseWriter, r *http.Request, kind *kindLimits, secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	if kind.secret.Allow(string(sum[:])) {
		return true
	}
	h.tooMany(w, r)
	return false
}

func (h *Handler) tooMany(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", "10")
	h.fail(w, r, &wire.Error{Code: wire.RateLimited, Message: "too many tries", Remedy: "wait ten seconds and try again"})
}
