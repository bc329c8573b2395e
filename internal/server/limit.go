package server

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxLimited bounds how many callers a limiter remembers.
const maxLimited = 4096

// limiter bounds how often one remote address may try something.
type limiter struct {
	now   func() time.Time
	every rate.Limit
	burst int

	mu  sync.Mutex
	all map[string]*rate.Limiter
}

func newLimiter(now func() time.Time, perSecond float64, burst int) *limiter {
	return &limiter{now: now, every: rate.Limit(perSecond), burst: burst, all: map[string]*rate.Limiter{}}
}

// allow counts one try of the remote address.
func (l *limiter) allow(remote string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, ok := l.all[remote]
	if !ok {
		if len(l.all) >= maxLimited {
			l.forget()
		}
		one = rate.NewLimiter(l.every, l.burst)
		l.all[remote] = one
	}
	return one.AllowN(l.now(), 1)
}

// forget drops the callers that have their full allowance again.
func (l *limiter) forget() {
	for remote, one := range l.all {
		if one.TokensAt(l.now()) >= float64(l.burst) {
			delete(l.all, remote)
		}
	}
	if len(l.all) >= maxLimited {
		clear(l.all)
	}
}
