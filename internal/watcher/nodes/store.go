// Package nodes follows the cluster's Nodes. Of each it keeps what edge-watcher's
// controllers need and nothing else: 100,000 Nodes in an informer's cache take several
// hundred megabytes, and listing them there copies each.
package nodes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	apiwait "k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/edgeway-io/edgeway/internal/routes"
)

const (
	// listPage bounds an answer of an API server that does not stream lists.
	listPage = 500
	// reconnectMin and reconnectMax bound the pause before the next attempt at a watch.
	reconnectMin = 200 * time.Millisecond
	reconnectMax = 2 * time.Second
)

// Change is told with what a Node was and is; nil stands for no Node.
type Change func(before, after *Node)

// Store holds all Nodes. It works on every replica, so that a new leader knows them.
type Store struct {
	client kubernetes.Interface
	synced chan struct{}
	first  sync.Once

	mu    sync.Mutex
	nodes map[string]*Node
	told  []Change
}

var _ toolscache.TransformingStore = (*Store)(nil)

// NewStore makes a Store that follows the Nodes once it is started.
func NewStore(config *rest.Config, transport *http.Client) (*Store, error) {
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeProtobuf
	client, err := kubernetes.NewForConfigAndClient(config, transport)
	if err != nil {
		return nil, fmt.Errorf("make the client that watches nodes: %w", err)
	}
	return newStore(client), nil
}

func newStore(client kubernetes.Interface) *Store {
	return &Store{client: client, synced: make(chan struct{}), nodes: map[string]*Node{}}
}

// Start implements manager.Runnable.
func (s *Store) Start(ctx context.Context) error {
	lw := toolscache.NewListWatchFromClient(s.client.CoreV1().RESTClient(), "nodes", "", fields.Everything())
	lw.ListWithContextFunc = stripped(lw.ListWithContextFunc)
	r := toolscache.NewReflectorWithOptions(lw, &corev1.Node{}, s, toolscache.ReflectorOptions{
		Name:    "nodes",
		Backoff: &apiwait.Backoff{Duration: reconnectMin, Cap: reconnectMax, Steps: 10, Factor: 2, Jitter: 0.5},
	})
	r.WatchListPageSize = listPage
	r.RunWithContext(ctx)
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (s *Store) NeedLeaderElection() bool { return false }

// WaitForSync returns once all Nodes are known.
func (s *Store) WaitForSync(ctx context.Context) error {
	select {
	case <-s.synced:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("not all nodes are known yet"), ctx.Err())
	}
}

// OnChange calls told for every change from now on, one at a time.
func (s *Store) OnChange(told Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, told)
}

// All returns what routing needs of every Node, in no order.
func (s *Store) All(context.Context) ([]routes.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]routes.Node, 0, len(s.nodes))
	for _, node := range s.nodes {
		out = append(out, node.Node)
	}
	return out, nil
}

// Get returns a Node; nil when there is none of that name. It is not to be changed.
func (s *Store) Get(name string) *Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nodes[name]
}

// Each calls f with every Node, in no order. f must not use the Store.
func (s *Store) Each(f func(*Node)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, node := range s.nodes {
		f(node)
	}
}

// Put stores a Node under its name, nil for none, and tells of it once it is stored.
func (s *Store) Put(name string, after *Node) {
	s.mu.Lock()
	before := s.nodes[name]
	if after == nil {
		delete(s.nodes, name)
	} else {
		s.nodes[name] = after
	}
	told := s.told
	s.mu.Unlock()
	if before == nil && after == nil {
		return
	}
	for _, tell := range told {
		tell(before, after)
	}
}

// Add implements toolscache.ReflectorStore.
func (s *Store) Add(obj any) error {
	node, err := kept(obj)
	if err != nil {
		return err
	}
	// A heartbeat changes nothing of what is kept, and nobody is told.
	if before := s.Get(node.Name); before != nil && before.followed == node.followed &&
		sameRouting(&before.Node, &node.Node) && before.Routed.same(node.Routed) {
		return nil
	}
	s.Put(node.Name, node)
	return nil
}

// Update implements toolscache.ReflectorStore.
func (s *Store) Update(obj any) error { return s.Add(obj) }

// Delete implements toolscache.ReflectorStore.
func (s *Store) Delete(obj any) error {
	node, err := kept(obj)
	if err != nil {
		return err
	}
	s.Put(node.Name, nil)
	return nil
}

// Replace implements toolscache.ReflectorStore: list is all that exists.
func (s *Store) Replace(list []any, _ string) error {
	gone := map[string]struct{}{}
	s.Each(func(n *Node) { gone[n.Name] = struct{}{} })
	for i, obj := range list {
		node, err := kept(obj)
		if err != nil {
			return err
		}
		delete(gone, node.Name)
		if err := s.Add(node); err != nil {
			return err
		}
		list[i] = nil // what is kept of it is in the store
	}
	for name := range gone {
		s.Put(name, nil)
	}
	s.first.Do(func() { close(s.synced) })
	return nil
}

// Resync implements toolscache.ReflectorStore; there is nothing to send again.
func (s *Store) Resync() error { return nil }

// Transformer implements toolscache.TransformingStore: of a streamed list too only
// what is kept of each Node piles up.
func (s *Store) Transformer() toolscache.TransformFunc {
	return func(obj any) (any, error) { return kept(obj) }
}

func kept(obj any) (*Node, error) {
	switch node := obj.(type) {
	case *Node:
		return node, nil
	case *corev1.Node:
		return Of(node), nil
	}
	return nil, fmt.Errorf("the API sent a %T among nodes", obj)
}

// stripped strips every page of a list that is not streamed as soon as it is there.
func stripped(list toolscache.ListWithContextFunc) toolscache.ListWithContextFunc {
	return func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		page, err := list(ctx, o)
		if err != nil {
			return nil, err
		}
		return page, meta.EachListItem(page, func(item runtime.Object) error {
			if node, ok := item.(*corev1.Node); ok {
				node.ManagedFields, node.Status.Images, node.Status.VolumesInUse = nil, nil, nil
			}
			return nil
		})
	}
}
