package syncrecords

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

func record(kind, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"objectKind": kind}}}
	u.SetGroupVersionKind(recordKind)
	u.SetName(name)
	return u
}

// reconcileAll runs the requests and returns the records that are left.
func reconcileAll(t *testing.T, uids map[string]string, requests []reconcile.Request, records ...client.Object) []string {
	t.Helper()
	scheme := runtime.NewScheme()
	scheme.AddKnownTypeWithName(recordKind, &unstructured.Unstructured{})
	scheme.AddKnownTypeWithName(recordKind.GroupVersion().WithKind(recordKind.Kind+"List"), &unstructured.UnstructuredList{})
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(records...).Build()
	r := &Reconciler{client: c, live: c, uid: func(name string) string { return uids[name] }}
	for _, req := range requests {
		if _, err := r.Reconcile(t.Context(), ctrl.Request(req)); err != nil {
			t.Fatal(err)
		}
	}
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(recordKind)
	if err := c.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].GetName())
	}
	slices.Sort(names)
	return names
}

func TestSweep(t *testing.T) {
	uids := map[string]string{"edge-1": "new", "edge.2": "same"}
	got := reconcileAll(t, uids, []reconcile.Request{{NamespacedName: client.ObjectKey{Name: everything}}},
		record("Node", "edge-1.old"), record("Node", "edge-1.new"), record("Node", "edge.2.same"),
		record("Node", "gone.old"), record("PersistentVolume", "gone.volume"))
	if diff := cmp.Diff([]string{"edge-1.new", "edge.2.same", "gone.volume"}, got); diff != "" {
		t.Errorf("records that are left (-want +got):\n%s", diff)
	}
}

func TestRequests(t *testing.T) {
	node := func(uid string, edge bool) *nodes.Node {
		return &nodes.Node{Node: routes.Node{Name: "edge-1", UID: uid, Edge: edge}}
	}
	for name, c := range map[string]struct {
		before, after *nodes.Node
		want          bool
	}{
		"deleted":    {node("a", true), nil, true},
		"replaced":   {node("a", true), node("b", true), true},
		"changed":    {node("a", true), node("a", false), false},
		"created":    {nil, node("a", true), false},
		"cloud node": {node("a", false), nil, false},
	} {
		if got := requests(t.Context(), c.before, c.after); len(got) > 0 != c.want || c.want && got[0].Name != "edge-1.a" {
			t.Errorf("%s: %v", name, got)
		}
	}
	left := reconcileAll(t, nil, requests(t.Context(), node("a", true), node("b", true)), record("Node", "edge-1.a"), record("Node", "edge-1.b"))
	if diff := cmp.Diff([]string{"edge-1.b"}, left); diff != "" {
		t.Errorf("records that are left (-want +got):\n%s", diff)
	}
}
