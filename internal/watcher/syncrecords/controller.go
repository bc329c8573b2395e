package syncrecords

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

// recordKind is CloudCore's, in the chart's CRDs.
var recordKind = schema.GroupVersionKind{Group: "reliablesyncs.kubeedge.io", Version: "v1alpha1", Kind: "ClusterObjectSync"}

const (
	// everything asks for a look at all records: Nodes may have gone while nobody watched.
	everything = "*"
	// again is when a deleted Node's record is looked for a second time: CloudCore may
	// have written it while the Node went.
	again = 5 * time.Second
	page  = 500
)

// Reconciler deletes records. A request's name is a record's, or everything.
type Reconciler struct {
	client client.Client
	live   client.Reader
	// uid of a Node; empty where there is none of that name.
	uid func(node string) string
}

// SetupWithManager adds the controller to mgr. store, which is started by others, knows
// the Nodes.
func SetupWithManager(mgr ctrl.Manager, store *nodes.Store) error {
	r := &Reconciler{client: mgr.GetClient(), live: mgr.GetAPIReader(), uid: func(name string) string {
		if n := store.Get(name); n != nil {
			return n.UID
		}
		return ""
	}}
	first := []reconcile.Request{{NamespacedName: types.NamespacedName{Name: everything}}}
	return ctrl.NewControllerManagedBy(mgr).
		Named("sync-records").
		WatchesRawSource(nodes.Source{Store: store, Requests: requests, First: first}).
		Complete(r)
}

// requests of an edge Node that is gone, or that another one of its name replaced.
func requests(_ context.Context, before, after *nodes.Node) []reconcile.Request {
	if before == nil || !before.Edge || after != nil && after.UID == before.UID {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: recordName(before.Name, before.UID)}}}
}

func recordName(node, uid string) string { return node + "." + uid }

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if req.Name == everything {
		return ctrl.Result{}, r.sweep(ctx)
	}
	deleted, err := r.delete(ctx, req.Name)
	if err != nil || !deleted {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: again}, nil
}

// sweep deletes the records of all Nodes that are gone.
func (r *Reconciler) sweep(ctx context.Context) error {
	next := ""
	for {
		var list unstructured.UnstructuredList
		list.SetGroupVersionKind(recordKind)
		if err := r.live.List(ctx, &list, client.Limit(page), client.Continue(next)); err != nil {
			return fmt.Errorf("list ClusterObjectSyncs: %w", err)
		}
		for i := range list.Items {
			if !r.stale(&list.Items[i]) {
				continue
			}
			if _, err := r.delete(ctx, list.Items[i].GetName()); err != nil {
				return err
			}
		}
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}

// stale says whether a record is one of a Node that is gone.
func (r *Reconciler) stale(record *unstructured.Unstructured) bool {
	kind, _, err := unstructured.NestedString(record.Object, "spec", "objectKind")
	if err != nil || kind != "Node" {
		return false
	}
	i := strings.LastIndexByte(record.GetName(), '.')
	return i > 0 && r.uid(record.GetName()[:i]) != record.GetName()[i+1:]
}

// delete says whether there was a record of this name.
func (r *Reconciler) delete(ctx context.Context, name string) (bool, error) {
	var record unstructured.Unstructured
	record.SetGroupVersionKind(recordKind)
	record.SetName(name)
	err := r.client.Delete(ctx, &record)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("delete ClusterObjectSync %s: %w", name, err)
	}
	return true, nil
}
