package watcher

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// echoed is a site with one route, whose slice the watch just brought as it is now.
func echoed(t *testing.T) (*site, *routeReconciler, *v1alpha1.EdgeRouteSlice, reconcile.Request) {
	t.Helper()
	s := newSite(t, append(cloudCoreObjects("10.1.0.5", 10351), edgeNode("e1", "192.168.100.1", 10351))...)
	r := s.reconciler(t)
	s.sync(t, r)
	s.change(t, "e1", func(n *corev1.Node) { n.Status.Addresses[1].Address = "192.168.100.2" })
	s.sync(t, r)
	var list v1alpha1.EdgeRouteSliceList
	if err := s.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	slice := &list.Items[0]
	r.echo.seen(slice.Name, slice.ResourceVersion)
	return s, r, slice, reconcile.Request{NamespacedName: types.NamespacedName{Name: slice.Name}}
}

// TestOwnWriteAsksForNoLook: what the watch brings back of a write of our own is not
// looked at, which a change that was not told of shows.
func TestOwnWriteAsksForNoLook(t *testing.T) {
	s, r, _, request := echoed(t)
	s.change(t, "e1", func(n *corev1.Node) { n.Status.Addresses[1].Address = "192.168.100.3" })
	if _, err := r.Reconcile(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"e1 192.168.100.2 [10250 10350]->10351"}, s.routes(t)); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

// TestForeignWriteIsMended, and is so when the first attempt fails, although the retry
// names the slice, too.
func TestForeignWriteIsMended(t *testing.T) {
	want := []string{"e1 192.168.100.2 [10250 10350]->10351"}
	for _, refused := range []bool{false, true} {
		s, r, slice, request := echoed(t)
		slice.Routes[0].Address = "192.168.100.9"
		if err := s.Update(t.Context(), slice); err != nil {
			t.Fatal(err)
		}
		r.echo.seen(slice.Name, slice.ResourceVersion)
		if refused {
			s.refuse = errors.New("the apiserver is away")
			if _, err := r.Reconcile(t.Context(), request); err == nil {
				t.Fatal("a refused write was not told of")
			}
		}
		if _, err := r.Reconcile(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, s.routes(t)); diff != "" {
			t.Errorf("refused %v: routes (-want +got):\n%s", refused, diff)
		}
	}
}

// TestLookCoversWhatWasSeenBefore: a thousand slices that others changed at once ask for
// one look, not for a thousand.
func TestLookCoversWhatWasSeenBefore(t *testing.T) {
	e := newEcho()
	e.written("a", "1")
	e.seen("a", "2")
	e.seen("b", "5")
	e.began()
	e.ended(false)
	for _, name := range []string{"a", "b", "never seen"} {
		if e.foreign(name) {
			t.Errorf("slice %s asks for another look", name)
		}
	}
	e.seen("a", "3")
	if !e.foreign("a") {
		t.Error("a change after the look asks for none")
	}
}
