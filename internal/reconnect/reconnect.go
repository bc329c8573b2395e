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
	"os"
	"strconv"
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
	// quietFor and answerWithin bound how long a connection that the other side has
	// given up goes unnoticed. A watch only listens: when a firewall's reload takes
	// the Service's address translation away for a moment, the API server's packets are
	// answered by a reset that this side never sees. client-go's own bounds, 30 and
	// 15 s, are 45 s of old routes.
	quietFor     = 2 * time.Second
	answerWithin = 3 * time.Second
)

// healthChecks are what client-go and the libraries above it read the bounds of a
// connection's health check from; there is no option for them.
var healthChecks = map[string]time.Duration{
	"HTTP2_READ_IDLE_TIMEOUT_SECONDS": quietFor,
	"HTTP2_PING_TIMEOUT_SECONDS":      answerWithin,
}

// Wrap makes reading requests of config's clients wait for an API server that
// cannot be reached, instead of failing, as long as their context allows. Requests
// that change something still fail at once. Clients made afterwards find out within
// five seconds that their connection is dead, unless the environment says otherwise.
func Wrap(config *rest.Config, log *slog.Logger) {
	for name, bound := range healthChecks {
		if os.Getenv(name) == "" {
			_ = os.Setenv(name, strconv.Itoa(int(bound.Seconds()))) // fails for impossible names only
		}
	}
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
