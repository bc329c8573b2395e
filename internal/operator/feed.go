package operator

import (
	"context"
	"fmt"
	"sync"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
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

// watch connects the feed to informers and returns once it holds every object
// that exists. It keeps trying while the API's types are not installed.
func (f *feed) watch(ctx context.Context, c cache.Cache, waiting func(error)) error {
	kinds := map[string]client.Object{
		kindSlice:   &v1alpha1.EdgeRouteSlice{},
		kindTargets: &v1alpha1.EdgeRouteTargets{},
		kindNode:    &v1alpha1.CloudNodeRoutes{},
	}
	var synced []toolscache.InformerSynced
	for kind, obj := range kinds {
		informer, err := informerFor(ctx, c, obj, waiting)
		if err != nil {
			return err
		}
		reg, err := informer.AddEventHandler(f.handler(kind))
		if err != nil {
			return fmt.Errorf("watch %s: %w", kind, err)
		}
		synced = append(synced, reg.HasSynced)
	}
	if !toolscache.WaitForCacheSync(ctx.Done(), synced...) {
		return ctx.Err()
	}
	return nil
}

const informerRetry = 5 * time.Second

func informerFor(ctx context.Context, c cache.Cache, obj client.Object, waiting func(error)) (cache.Informer, error) {
	for {
		informer, err := c.GetInformer(ctx, obj)
		if err == nil {
			return informer, nil
		}
		waiting(fmt.Errorf("watch %T: %w", obj, err))
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(informerRetry):
		}
	}
}

func (f *feed) handler(kind string) toolscache.ResourceEventHandler {
	put := func(v any, gone bool) {
		if tomb, ok := v.(toolscache.DeletedFinalStateUnknown); ok {
			v = tomb.Obj
		}
		obj, ok := v.(client.Object)
		if !ok {
			return
		}
		key := feedKey{kind, obj.GetName()}
		if gone {
			obj = nil
		}
		f.put(key, obj)
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(v any) { put(v, false) },
		UpdateFunc: func(_, v any) { put(v, false) },
		DeleteFunc: func(v any) { put(v, true) },
	}
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
