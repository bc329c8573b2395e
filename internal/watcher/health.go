package watcher

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// writesGrace is how long writes of routes may fail until the replica says that it is not
// ready: an API server that restarts is no reason.
const writesGrace = time.Minute

// health knows whether routes can be written.
type health struct {
	now func() time.Time

	mu    sync.Mutex
	since time.Time
	err   error
}

// wrote notes how the last attempt went.
func (h *health) wrote(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.since, h.err = time.Time{}, nil
		return
	}
	if h.err == nil {
		h.since = h.now()
	}
	h.err = err
}

// check implements healthz.Checker.
func (h *health) check(*http.Request) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil || h.now().Sub(h.since) < writesGrace {
		return nil
	}
	return fmt.Errorf("routes cannot be written since %s: %w", h.since.UTC().Format(time.RFC3339), h.err)
}
