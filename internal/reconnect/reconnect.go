// Package reconnect brings a client of the Kubernetes API back soon after the API
// server was away. client-go's informers wait up to a minute between two attempts
// by then, which is a minute of old routes; an attempt costs one packet.
package reconnect

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
)

const (
	// pause between attempts, plus up to as much again, so that many clients do not
	// come at once.
	pause = time.Second
	// dialTimeout bounds an attempt at a host that does not answer: the kernel would
	// ask such a host ever more seldom.
	dialTimeout = 4 * time.Second
	keepAlive   = 30 * time.Second
)

// Wrap makes reading requests of config's clients wait for an API server that
// cannot be reached, instead of failing, as long as their context allows. Requests
// that change something still fail at once.
func Wrap(config *rest.Config, log *slog.Logger) {
	config.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext
	away := &atomic.Bool{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &transport{next: next, log: log, pause: pause, away: away}
	})
}

type transport struct {
	next  http.RoundTripper
	log   *slog.Logger
	pause time.Duration
	// away is shared by all requests, so that an outage is told once.
	away *atomic.Bool
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	for {
		resp, err := t.next.RoundTrip(r)
		if err == nil {
			if t.away.CompareAndSwap(true, false) {
				t.log.Info("the API server is back")
			}
			return resp, nil
		}
		if r.Method != http.MethodGet || r.Context().Err() != nil {
			return nil, err
		}
		if t.away.CompareAndSwap(false, true) {
			t.log.Warn("the API server cannot be reached; trying again until it can", "error", err)
		}
		if !sleep(r.Context(), t.pause+rand.N(t.pause)) {
			return nil, err
		}
	}
}

// WrappedRoundTripper lets client-go find the transport below.
func (t *transport) WrappedRoundTripper() http.RoundTripper { return t.next }

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
