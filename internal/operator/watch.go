package operator

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	apiwait "k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

const (
	// listPage bounds an answer of an API server that does not stream lists.
	listPage = 50
	// reconnectMin and reconnectMax bound the pause before the next attempt at a watch:
	// after an outage the kernel should soon equal the API again.
	reconnectMin = 200 * time.Millisecond
	reconnectMax = 2 * time.Second
)

// watched are the resources that the feed follows.
var watched = []struct {
	kind, resource string
	object         client.Object
}{
	{kindSlice, "edgerouteslices", &v1alpha1.EdgeRouteSlice{}},
	{kindTargets, "edgeroutetargets", &v1alpha1.EdgeRouteTargets{}},
	{kindNode, "cloudnoderoutes", &v1alpha1.CloudNodeRoutes{}},
}

// watch follows the API until ctx ends and returns once the feed got every object
// that exists; of the reports of cloud nodes, its own. It keeps trying while the API cannot be reached or its types are not
// installed.
//
// There is no informer's cache between the API and the feed: the model holds
// all that is needed of 100,000 routes, in a fraction of the objects' size.
func (f *feed) watch(ctx context.Context, cfg *rest.Config, scheme *runtime.Scheme, node string) error {
	hc, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return fmt.Errorf("make a client of the API: %w", err)
	}
	codecs := serializer.NewCodecFactory(scheme)
	var synced []<-chan struct{}
	for _, w := range watched {
		gvk := v1alpha1.GroupVersion.WithKind(w.kind)
		rc, err := apiutil.RESTClientForGVK(gvk, true, false, cfg, codecs, hc)
		if err != nil {
			return fmt.Errorf("make a client for %s: %w", w.kind, err)
		}
		s := newSink(f, w.kind)
		synced = append(synced, s.synced)
		selected := fields.Everything()
		if w.kind == kindNode {
			selected = fields.OneTermEqualSelector("metadata.name", node)
		}
		lw := toolscache.NewListWatchFromClient(rc, w.resource, "", selected)
		lw.ListWithContextFunc = trimmed(lw.ListWithContextFunc)
		r := toolscache.NewReflectorWithOptions(lw, w.object, s, toolscache.ReflectorOptions{Name: w.kind, Backoff: retryPolicy()})
		r.WatchListPageSize = listPage
		go r.RunWithContext(ctx)
	}
	for _, ch := range synced {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ch:
		}
	}
	return nil
}

func retryPolicy() *apiwait.Backoff {
	return &apiwait.Backoff{Duration: reconnectMin, Cap: reconnectMax, Steps: 10, Factor: 2, Jitter: 0.5}
}

// sink passes what a reflector sees on to the feed, and remembers names only: a
// list that lacks one means that the object is gone.
type sink struct {
	feed   *feed
	kind   string
	synced chan struct{}

	mu    sync.Mutex
	names map[string]struct{}
	first sync.Once
}

var _ toolscache.TransformingStore = (*sink)(nil)

func newSink(f *feed, kind string) *sink {
	return &sink{feed: f, kind: kind, synced: make(chan struct{}), names: map[string]struct{}{}}
}

// Add implements toolscache.ReflectorStore.
func (s *sink) Add(v any) error {
	obj, err := s.object(v)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[obj.GetName()] = struct{}{}
	s.feed.put(feedKey{s.kind, obj.GetName()}, obj)
	return nil
}

// Update implements toolscache.ReflectorStore.
func (s *sink) Update(v any) error { return s.Add(v) }

// Delete implements toolscache.ReflectorStore.
func (s *sink) Delete(v any) error {
	obj, err := s.object(v)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone(obj.GetName())
	return nil
}

// gone passes on that an object is deleted. The caller holds the lock.
func (s *sink) gone(name string) {
	delete(s.names, name)
	s.feed.put(feedKey{s.kind, name}, nil)
}

// Replace implements toolscache.ReflectorStore: list is all that exists.
func (s *sink) Replace(list []any, _ string) error {
	s.mu.Lock()
	old := maps.Clone(s.names)
	s.mu.Unlock()
	for i, v := range list {
		if err := s.Add(v); err != nil {
			return err
		}
		delete(old, v.(client.Object).GetName()) // Add has looked at its type
		list[i] = nil                            // the feed alone keeps it from now on
	}
	s.mu.Lock()
	for name := range old {
		s.gone(name)
	}
	s.mu.Unlock()
	s.first.Do(func() { close(s.synced) })
	return nil
}

// Resync implements toolscache.ReflectorStore. There is nothing to send again: the
// loop compares the kernel by itself.
func (s *sink) Resync() error { return nil }

// Transformer implements toolscache.TransformingStore, for streamed lists.
func (s *sink) Transformer() toolscache.TransformFunc {
	return func(v any) (any, error) { return v, trim(v) }
}

// trimmed trims every page of a list that is not streamed as soon as it is there.
func trimmed(list toolscache.ListWithContextFunc) toolscache.ListWithContextFunc {
	return func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		page, err := list(ctx, o)
		if err != nil {
			return nil, err
		}
		return page, meta.EachListItem(page, func(item runtime.Object) error { return trim(item) })
	}
}

// trim leaves out what the API server keeps for its own use, which is more than the
// routes themselves.
func trim(v any) error {
	obj, err := meta.Accessor(v)
	if err != nil {
		return fmt.Errorf("trim what the API sent: %w", err)
	}
	obj.SetManagedFields(nil)
	return nil
}

func (s *sink) object(v any) (client.Object, error) {
	obj, ok := v.(client.Object)
	if !ok {
		return nil, fmt.Errorf("the API sent a %T among objects of kind %s", v, s.kind)
	}
	return obj, nil
}
