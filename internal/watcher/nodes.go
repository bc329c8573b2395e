package watcher

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/edgeway-io/edgeway/internal/routes"
)

// nodeStore holds of every Node what routing needs. Listing 100,000 Nodes from the
// cache at every change would copy each of them; here a change costs one entry.
type nodeStore struct {
	cache cache.Cache
	once  sync.Once
	err   error
	reg   toolscache.ResourceEventHandlerRegistration

	mu    sync.Mutex
	nodes map[string]routes.Node
	told  []func(before, after *routes.Node)
}

func newNodeStore(c cache.Cache) *nodeStore {
	return &nodeStore{cache: c, nodes: map[string]routes.Node{}}
}

// all returns every node, in no order.
func (s *nodeStore) all(context.Context) ([]routes.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]routes.Node, 0, len(s.nodes))
	for _, node := range s.nodes {
		out = append(out, node)
	}
	return out, nil
}

// put stores a node, nil for none, and tells of it once it is stored.
func (s *nodeStore) put(name string, after *routes.Node) {
	s.mu.Lock()
	var before *routes.Node
	if node, found := s.nodes[name]; found {
		before = &node
	}
	if after == nil {
		delete(s.nodes, name)
	} else {
		s.nodes[name] = *after
	}
	told := s.told
	s.mu.Unlock()
	for _, tell := range told {
		tell(before, after)
	}
}

// start follows the cache. Only the first call does anything.
func (s *nodeStore) start(ctx context.Context) error {
	s.once.Do(func() {
		informer, err := s.cache.GetInformer(ctx, &corev1.Node{}, cache.BlockUntilSynced(false))
		if err != nil {
			s.err = fmt.Errorf("watch nodes: %w", err)
			return
		}
		if s.reg, err = informer.AddEventHandler(s.handler()); err != nil {
			s.err = fmt.Errorf("watch nodes: %w", err)
		}
	})
	return s.err
}

func (s *nodeStore) handler() toolscache.ResourceEventHandler {
	put := func(obj any) {
		if node, ok := obj.(*corev1.Node); ok {
			entry := nodeInput(node)
			s.put(node.Name, &entry)
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: put,
		UpdateFunc: func(old, new any) {
			before, ok1 := old.(*corev1.Node)
			after, ok2 := new.(*corev1.Node)
			if ok1 && ok2 && nodeDiffers(before, after) {
				put(new)
			}
		},
		DeleteFunc: func(obj any) {
			if tomb, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = tomb.Obj
			}
			if node, ok := obj.(*corev1.Node); ok {
				s.put(node.Name, nil)
			}
		},
	}
}

// nodeSource asks a controller for everything when a node changes that matters to it.
type nodeSource struct {
	store   *nodeStore
	matters func(before, after *routes.Node) bool
	seen    func()
}

// Start implements source.Source.
func (n nodeSource) Start(ctx context.Context, queue requestQueue) error {
	n.store.mu.Lock()
	n.store.told = append(n.store.told, func(before, after *routes.Node) {
		if n.matters(before, after) {
			n.seen()
			queue.AddAfter(everything, debounce)
		}
	})
	n.store.mu.Unlock()
	return n.store.start(ctx)
}

// WaitForSync implements source.SyncingSource: nothing is decided before all nodes
// are known.
func (n nodeSource) WaitForSync(ctx context.Context) error {
	if n.store.reg == nil || !toolscache.WaitForCacheSync(ctx.Done(), n.store.reg.HasSynced) {
		return errors.Join(errors.New("nodes are not synced"), ctx.Err())
	}
	return nil
}

// anyNode matters to the routes.
func anyNode(_, _ *routes.Node) bool { return true }

// cloudNode matters to what is judged about the cluster.
func cloudNode(before, after *routes.Node) bool {
	return (before != nil && !before.Edge) || (after != nil && !after.Edge)
}

func nodeInput(node *corev1.Node) routes.Node {
	out := routes.Node{
		Name:        node.Name,
		UID:         string(node.UID),
		Created:     node.CreationTimestamp.Time,
		Edge:        isEdge(node),
		KubeletPort: node.Status.DaemonEndpoints.KubeletEndpoint.Port,
	}
	for _, addr := range node.Status.Addresses {
		// An edge node's external address is nobody's concern here; a cloud node's
		// must not be drawn into a tunnel.
		if addr.Type == corev1.NodeInternalIP || (!out.Edge && addr.Type == corev1.NodeExternalIP) {
			out.Addresses = append(out.Addresses, addr.Address)
		}
	}
	for _, text := range node.Spec.PodCIDRs {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			out.PodCIDRs = append(out.PodCIDRs, prefix)
		}
	}
	return out
}
