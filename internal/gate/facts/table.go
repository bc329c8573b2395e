// Package facts follows what the gate decides by: which edge nodes there are,
// which of them are enrolled, revoked or retired, which address is routed for
// which node, and the certificates for devices. Of each object it keeps a few
// bytes. While the API server is away, the facts stay as they were last seen.
package facts

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
)

// reconnectMin and reconnectMax bound the pause before the next attempt at a watch.
const (
	reconnectMin = 200 * time.Millisecond
	reconnectMax = 2 * time.Second
)

// table keeps one value of every object of a kind. It implements
// cache.ReflectorStore and calls tell for each value that changed.
type table[V any] struct {
	name string
	// read returns what is kept of an object; nil for nothing.
	read func(runtime.Object) *V
	// tell hears of changes, one at a time; nil stands for no value.
	tell func(key string, before, after *V)

	mu     sync.Mutex // held while telling, so that changes are told in order
	values map[string]*V
	synced chan struct{}
	once   sync.Once
}

func newTable[V any](name string, read func(runtime.Object) *V, tell func(string, *V, *V)) *table[V] {
	return &table[V]{name: name, read: read, tell: tell, values: map[string]*V{}, synced: make(chan struct{})}
}

// follow keeps the table current until ctx ends.
func (t *table[V]) follow(ctx context.Context, lw cache.ListerWatcher, example runtime.Object) {
	cache.NewReflectorWithOptions(lw, example, t, cache.ReflectorOptions{
		Name:    t.name,
		Backoff: &wait.Backoff{Duration: reconnectMin, Cap: reconnectMax, Steps: 10, Factor: 2, Jitter: 0.5},
	}).RunWithContext(ctx)
}

// waitForSync returns once the first list is in the table.
func (t *table[V]) waitForSync(ctx context.Context) error {
	select {
	case <-t.synced:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s are not known yet: %w", t.name, ctx.Err())
	}
}

// kept is an object of which only the value is left.
type kept[V any] struct {
	key   string
	value *V
}

// Transformer implements cache.TransformingStore: of a streamed list, too, only
// the values pile up.
func (t *table[V]) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) { return t.keep(obj) }
}

func (t *table[V]) keep(obj any) (kept[V], error) {
	if k, ok := obj.(kept[V]); ok {
		return k, nil
	}
	object, ok := obj.(runtime.Object)
	if !ok {
		return kept[V]{}, fmt.Errorf("the API sent a %T among %s", obj, t.name)
	}
	accessor, err := meta.Accessor(object)
	if err != nil {
		return kept[V]{}, fmt.Errorf("the API sent a %T among %s: %w", obj, t.name, err)
	}
	return kept[V]{key: accessor.GetNamespace() + "/" + accessor.GetName(), value: t.read(object)}, nil
}

// Add implements cache.ReflectorStore.
func (t *table[V]) Add(obj any) error {
	k, err := t.keep(obj)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set(k.key, k.value)
	return nil
}

// Update implements cache.ReflectorStore.
func (t *table[V]) Update(obj any) error { return t.Add(obj) }

// Delete implements cache.ReflectorStore.
func (t *table[V]) Delete(obj any) error {
	k, err := t.keep(obj)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set(k.key, nil)
	return nil
}

// Replace implements cache.ReflectorStore: list is all that exists.
func (t *table[V]) Replace(list []any, _ string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	there := make(map[string]bool, len(list))
	for _, obj := range list {
		k, err := t.keep(obj)
		if err != nil {
			return err
		}
		there[k.key] = true
		t.set(k.key, k.value)
	}
	for key := range t.values {
		if !there[key] {
			t.set(key, nil)
		}
	}
	t.once.Do(func() { close(t.synced) })
	return nil
}

// Resync implements cache.ReflectorStore; there is nothing to send again.
func (t *table[V]) Resync() error { return nil }

func (t *table[V]) set(key string, after *V) {
	before := t.values[key]
	if before == nil && after == nil {
		return
	}
	if after == nil {
		delete(t.values, key)
	} else {
		t.values[key] = after
	}
	t.tell(key, before, after)
}
