package impersonation

import (
	"context"
	"fmt"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

const (
	// settle lets the changes of many nodes at once become one write.
	settle = 20 * time.Millisecond
	// recheck repairs what somebody else changed.
	recheck = time.Minute
)

// Reconciler makes one role equal to the names that belong into it.
type Reconciler struct {
	client client.Client
	// live reads past the cache, which holds no roles.
	live client.Reader
	// edgeNodes calls f with the name of every edge node.
	edgeNodes func(f func(name string))
}

// SetupWithManager adds the controller to mgr. store, which is started by others, knows
// the Nodes.
func SetupWithManager(mgr ctrl.Manager, store *nodes.Store) error {
	r := &Reconciler{client: mgr.GetClient(), live: mgr.GetAPIReader(), edgeNodes: func(f func(string)) {
		store.Each(func(n *nodes.Node) {
			if n.Edge {
				f(n.Name)
			}
		})
	}}
	all := make([]reconcile.Request, 0, Shards)
	for shard := range Shards {
		all = append(all, request(shard))
	}
	enrollments := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		e, ok := o.(*v1alpha1.EdgeEnrollment)
		if !ok {
			return nil
		}
		return []reconcile.Request{request(shardOf(e.Spec.NodeName))}
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named("impersonation").
		Watches(&v1alpha1.EdgeEnrollment{}, enrollments).
		WatchesRawSource(nodes.Source{Store: store, Requests: requests, First: all, After: func() time.Duration { return settle }}).
		Complete(r)
}

func request(shard int) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: roleName(shard)}}
}

// requests of a Node that became an edge node, or is one no longer.
func requests(_ context.Context, before, after *nodes.Node) []reconcile.Request {
	was, is := before != nil && before.Edge, after != nil && after.Edge
	if was == is {
		return nil
	}
	return []reconcile.Request{request(shardOf(nodes.Name(before, after)))}
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var role rbacv1.ClusterRole
	if err := r.live.Get(ctx, req.NamespacedName, &role); err != nil {
		if apierrors.IsNotFound(err) {
			return ctrl.Result{}, nil // authorization is off, and the chart has no roles
		}
		return ctrl.Result{}, fmt.Errorf("read ClusterRole %s: %w", req.Name, err)
	}
	names, err := r.names(ctx, req.Name)
	if err != nil {
		return ctrl.Result{}, err
	}
	want := rules(names)
	if !equality.Semantic.DeepEqual(role.Rules, want) {
		role.Rules = want
		if err := r.client.Update(ctx, &role); err != nil {
			return ctrl.Result{}, fmt.Errorf("write ClusterRole %s: %w", req.Name, err)
		}
	}
	return ctrl.Result{RequeueAfter: recheck}, nil
}

// names are those of the nodes that CloudCore may act for and that belong into a role.
func (r *Reconciler) names(ctx context.Context, role string) ([]string, error) {
	var names []string
	add := func(name string) {
		if roleName(shardOf(name)) == role {
			names = append(names, name)
		}
	}
	r.edgeNodes(add)
	var list v1alpha1.EdgeEnrollmentList
	if err := r.client.List(ctx, &list, client.InNamespace(v1alpha1.JoinNamespace)); err != nil {
		return nil, fmt.Errorf("list enrollments: %w", err)
	}
	for i := range list.Items {
		if mayConnect(&list.Items[i]) {
			add(list.Items[i].Spec.NodeName)
		}
	}
	return names, nil
}
