package watcher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// errConflict is what the apiserver says to a writer whose cache is behind.
var errConflict = apierrors.NewConflict(schema.GroupResource{Resource: "edgerouteslices"}, "edge-00000", nil)

func TestCacheBehindIsTriedAgain(t *testing.T) {
	s := newSite(t, append(cloudCoreObjects("10.1.0.5", 10351), edgeNode("e1", "192.168.100.1", 10351))...)
	r := s.reconciler(t)
	s.sync(t, r)
	s.change(t, "e1", func(n *corev1.Node) { n.Status.Addresses[1].Address = "192.168.100.2" })
	s.refuse = errConflict
	result, err := r.Reconcile(t.Context(), everything)
	if err != nil || result.RequeueAfter == 0 {
		t.Fatalf("Reconcile: %+v, %v; want to be called again soon", result, err)
	}
	s.sync(t, r)
	if diff := cmp.Diff([]string{"e1 192.168.100.2 [10250 10350]->10351"}, s.routes(t)); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

// behind is a client whose cache of slices stands still.
type behind struct {
	client.Client
	slices v1alpha1.EdgeRouteSliceList
}

func (b *behind) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if out, ok := list.(*v1alpha1.EdgeRouteSliceList); ok {
		b.slices.DeepCopyInto(out)
		return nil
	}
	return b.Client.List(ctx, list, opts...)
}

func (b *behind) catchUp(t *testing.T) {
	t.Helper()
	if err := b.Client.List(t.Context(), &b.slices); err != nil {
		t.Fatal(err)
	}
}

func TestChangesFasterThanTheCacheAreNotRefused(t *testing.T) {
	s := newSite(t, append(cloudCoreObjects("10.1.0.5", 10351), edgeNode("e1", "192.168.100.1", 10351))...)
	r := s.reconciler(t)
	s.sync(t, r)
	cache := &behind{Client: s}
	cache.catchUp(t)
	r.writer.client = cache
	for _, addr := range []string{"192.168.100.2", "192.168.100.3"} {
		s.change(t, "e1", func(n *corev1.Node) { n.Status.Addresses[1].Address = addr })
		s.sync(t, r)
		if diff := cmp.Diff([]string{"e1 " + addr + " [10250 10350]->10351"}, s.routes(t)); diff != "" {
			t.Errorf("routes (-want +got):\n%s", diff)
		}
		if writes := s.sync(t, r); len(writes) > 0 {
			t.Errorf("what is there already was written again: %v", writes)
		}
	}
	// What somebody else wrote since is newer than our own.
	var foreign v1alpha1.EdgeRouteSliceList
	if err := s.List(t.Context(), &foreign); err != nil {
		t.Fatal(err)
	}
	foreign.Items[0].Routes[0].Address = "192.168.100.9"
	if err := s.Update(t.Context(), &foreign.Items[0]); err != nil {
		t.Fatal(err)
	}
	cache.catchUp(t)
	s.sync(t, r)
	if diff := cmp.Diff([]string{"e1 192.168.100.3 [10250 10350]->10351"}, s.routes(t)); diff != "" {
		t.Errorf("routes after a foreign change (-want +got):\n%s", diff)
	}
}

func TestOtherErrorsAreReturned(t *testing.T) {
	s := newSite(t, append(cloudCoreObjects("10.1.0.5", 10351), edgeNode("e1", "192.168.100.1", 10351))...)
	r := s.reconciler(t)
	s.sync(t, r)
	s.change(t, "e1", func(n *corev1.Node) { n.Status.Addresses[1].Address = "192.168.100.2" })
	s.refuse = apierrors.NewForbidden(schema.GroupResource{Resource: "edgerouteslices"}, "edge-00000", nil)
	if _, err := r.Reconcile(t.Context(), everything); !apierrors.IsForbidden(err) {
		t.Errorf("error is %v, want Forbidden", err)
	}
	if _, _, known := (&findings{}).get("e1"); known {
		t.Error("findings are known before the first plan")
	}
}

// TestASliceThatTheAPIRefuses: the others are written, and it is told.
func TestASliceThatTheAPIRefuses(t *testing.T) {
	objects := cloudCoreObjects("10.1.0.5", 10351)
	for i := range 150 { // two slices
		objects = append(objects, edgeNode(fmt.Sprintf("e%03d", i), fmt.Sprintf("192.168.100.%d", i+1), 10351))
	}
	s := newSite(t, objects...)
	r := s.reconciler(t)
	s.sync(t, r)
	now := time.Now()
	r.health.now = func() time.Time { return now }
	s.change(t, "e000", func(n *corev1.Node) { n.Status.Addresses[1].Address = "192.168.101.1" })
	s.change(t, "e149", func(n *corev1.Node) { n.Status.Addresses[1].Address = "192.168.101.2" })
	s.refuse = apierrors.NewInvalid(schema.GroupKind{Kind: "EdgeRouteSlice"}, "edge-00000", nil)
	if _, err := r.Reconcile(t.Context(), everything); !apierrors.IsInvalid(errors.Unwrap(err)) && !strings.Contains(err.Error(), "edge-00000") {
		t.Errorf("error is %v, want the API's refusal", err)
	}
	if got := s.took(); len(got) != 1 {
		t.Errorf("writes are %v, want one of the other slice", got)
	}
	notes, _ := r.notes.get()
	if len(notes) != 1 || notes[0].Reason != noteWritesFailing {
		t.Errorf("notes are %v, want %s", notes, noteWritesFailing)
	}
	if err := r.health.check(nil); err != nil {
		t.Errorf("not ready at once: %v", err)
	}
	now = now.Add(writesGrace)
	if err := r.health.check(nil); err == nil {
		t.Error("still ready after a minute without a write")
	}
	s.sync(t, r)
	if notes, _ := r.notes.get(); len(notes) != 0 || r.health.check(nil) != nil {
		t.Errorf("notes are %v (%v) after a write, want none", notes, r.health.check(nil))
	}
}
