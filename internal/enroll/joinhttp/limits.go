package joinhttp

import (
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

const (
	// A batch of devices behind one NAT address joins at once; guessing 140 bits
	// does not come any nearer at this pace.
	perClient, perClientBurst = rate.Limit(5), 100
	overall, overallBurst     = rate.Limit(50), 500
	maxClients                = 10_000
	forgetAfter               = 10 * time.Minute
)

// limits bounds tries per client address and altogether.
type limits struct {
	all     *rate.Limiter
	mu      sync.Mutex
	clients map[string]*clientLimit
}

type clientLimit struct {
	limiter *rate.Limiter
	seen    time.Time
}

func newLimits() *limits {
	return &limits{all: rate.NewLimiter(overall, overallBurst), clients: map[string]*clientLimit{}}
}

func (l *limits) allow(ip string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.clients[ip]
	if !ok {
		if len(l.clients) >= maxClients {
			l.forget(now)
		}
		c = &clientLimit{limiter: rate.NewLimiter(perClient, perClientBurst)}
		l.clients[ip] = c
	}
	c.seen = now
	return c.limiter.AllowN(now, 1) && l.all.AllowN(now, 1)
}

// forget drops old clients; when none is old it drops all, and the overall limit
// still holds.
func (l *limits) forget(now time.Time) {
	for ip, c := range l.clients {
		if now.Sub(c.seen) > forgetAfter {
			delete(l.clients, ip)
		}
	}
	if len(l.clients) >= maxClients {
		clear(l.clients)
	}
}

func (h *Handler) limited(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !h.limits.allow(clientIP(r), time.Now()) {
			w.Header().Set("Retry-After", "10")
			h.fail(w, r, &wire.Error{Code: wire.RateLimited, Message: "too many tries", Remedy: "wait ten seconds and try again"})
			return
		}
		next(w, r)
	}
}
