package nodes

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Queue is a controller's.
type Queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Source asks a controller for work when Nodes change. It implements
// source.SyncingSource: nothing is decided before all Nodes are known.
type Source struct {
	Store *Store
	// Requests of a change; none for one that does not matter.
	Requests func(ctx context.Context, before, after *Node) []reconcile.Request
	// After says how long a request has to wait; not at all where it is nil.
	After func() time.Duration
	// First are asked for at the start: of Nodes that are known by then no change is told.
	First []reconcile.Request
}

// Start implements source.Source.
func (s Source) Start(ctx context.Context, queue Queue) error {
	s.Store.OnChange(func(before, after *Node) {
		for _, request := range s.Requests(ctx, before, after) {
			queue.AddAfter(request, s.after())
		}
	})
	for _, request := range s.First {
		queue.AddAfter(request, s.after())
	}
	return nil
}

func (s Source) after() time.Duration {
	if s.After == nil {
		return 0
	}
	return s.After()
}

// WaitForSync implements source.SyncingSource.
func (s Source) WaitForSync(ctx context.Context) error { return s.Store.WaitForSync(ctx) }

// Routing says whether a change can change a route.
func Routing(before, after *Node) bool {
	return before == nil || after == nil || !sameRouting(&before.Node, &after.Node)
}

// CloudNode says whether a change concerns what is judged about the cluster.
func CloudNode(before, after *Node) bool {
	return Routing(before, after) && (cloud(before) || cloud(after))
}

func cloud(n *Node) bool { return n != nil && !n.Edge }

// Followed says whether a change concerns the enrollment of the Node.
func Followed(before, after *Node) bool {
	return before == nil || after == nil || before.followed != after.followed ||
		before.UID != after.UID || before.KubeletPort != after.KubeletPort
}

// RoutedChanged says whether somebody else than the findings may have made condition
// EdgewayRouted wrong: it was changed, or is found on a Node that was not known.
func RoutedChanged(before, after *Node) bool {
	if after == nil {
		return false
	}
	if before == nil {
		return after.Routed.Present()
	}
	return !before.Routed.same(after.Routed)
}

// Name of the Node that changed.
func Name(before, after *Node) string {
	if after != nil {
		return after.Name
	}
	return before.Name
}
