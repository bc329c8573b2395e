package operator

import (
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// feed collects changed objects until the loop takes them. A burst of changes of
// one object becomes one.
type feed struct {
	mu      sync.Mutex
	changed map[feedKey]client.Object // nil value: deleted
	signal  chan struct{}
}

type feedKey struct{ kind, name string }

const (
	kindSlice   = "EdgeRouteSlice"
	kindTargets = "EdgeRouteTargets"
	kindNode    = "CloudNodeRoutes"
)

func newFeed() *feed {
	return &feed{changed: map[feedKey]client.Object{}, signal: make(chan struct{}, 1)}
}

func (f *feed) put(key feedKey, obj client.Object) {
	f.mu.Lock()
	f.changed[key] = obj
	f.mu.Unlock()
	select {
	case f.signal <- struct{}{}:
	default: // the loop has not taken the earlier ones yet
	}
}

// take returns what changed since the last call.
func (f *feed) take() map[feedKey]client.Object {
	f.mu.Lock()
	defer f.mu.Unlock()
	taken := f.changed
	f.changed = map[feedKey]client.Object{}
	return taken
}
