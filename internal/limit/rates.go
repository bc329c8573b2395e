// Package limit bounds what callers may use of a program: how often they try something
// (Rates), and who a caller is (Proxies). It holds no policy: the numbers are where the
// work is.
package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/lru"
)

// remembered bounds the keys that one Rates keeps. The key that was not used for longest
// is forgotten first; nobody else's allowance changes.
const remembered = 8192

// Rates bounds how often each key may do something.
type Rates struct {
	now   func() time.Time
	every rate.Limit
	burst int

	mu  sync.Mutex
	all *lru.Cache
}

// NewRates lets every key do something burst times at once and perSecond times a second
// after that. now is the clock; time.Now when nil.
func NewRates(now func() time.Time, perSecond float64, burst int) *Rates {
	if now == nil {
		now = time.Now
	}
	return &Rates{now: now, every: rate.Limit(perSecond), burst: burst, all: lru.New(remembered)}
}

// Allow counts one try of the key.
func (r *Rates) Allow(key string) bool { return r.of(key).AllowN(r.now(), 1) }

// Exhausted tells whether Allow would refuse, without counting a try.
func (r *Rates) Exhausted(key string) bool { return r.of(key).TokensAt(r.now()) < 1 }

func (r *Rates) of(key string) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one, ok := r.all.Get(key); ok {
		return one.(*rate.Limiter)
	}
	one := rate.NewLimiter(r.every, r.burst)
	r.all.Add(key, one)
	return one
}
