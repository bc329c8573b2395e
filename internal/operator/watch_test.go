package operator

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// seen turns what a feed collected into names and generations, -1 for deleted.
func seen(f *feed) map[string]int64 {
	out := map[string]int64{}
	for key, obj := range f.take() {
		if out[key.name] = -1; obj != nil {
			out[key.name] = obj.GetGeneration()
		}
	}
	return out
}

func sliceObject(name string, generation int64) *v1alpha1.EdgeRouteSlice {
	return &v1alpha1.EdgeRouteSlice{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: generation}}
}

// TestSinkKeepsNamesOnly follows a reflector through a first list, changes, and a
// list after a lost connection during which an object was deleted.
func TestSinkKeepsNamesOnly(t *testing.T) {
	f := newFeed()
	s := newSink(f, kindSlice)
	steps := []struct {
		what string
		do   func() error
		want map[string]int64
	}{
		{"first list", func() error { return s.Replace([]any{sliceObject("a", 1), sliceObject("b", 1)}, "1") }, map[string]int64{"a": 1, "b": 1}},
		{"change", func() error { return s.Update(sliceObject("a", 2)) }, map[string]int64{"a": 2}},
		{"new", func() error { return s.Add(sliceObject("c", 1)) }, map[string]int64{"c": 1}},
		{"deleted", func() error { return s.Delete(sliceObject("c", 1)) }, map[string]int64{"c": -1}},
		{"list after a gap", func() error { return s.Replace([]any{sliceObject("b", 3)}, "9") }, map[string]int64{"a": -1, "b": 3}},
		{"list without change", func() error { return s.Replace([]any{sliceObject("b", 3)}, "9") }, map[string]int64{"b": 3}},
	}
	select {
	case <-s.synced:
		t.Error("the sink says that it holds everything before the first list")
	default:
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if diff := cmp.Diff(step.want, seen(f)); diff != "" {
			t.Errorf("%s: feed (-want +got):\n%s", step.what, diff)
		}
	}
	<-s.synced
	if err := s.Add("no object"); err == nil {
		t.Error("a string was taken for an object")
	}
}

func TestManagedFieldsAreNotKept(t *testing.T) {
	managed := func() *v1alpha1.EdgeRouteSlice {
		obj := sliceObject("a", 1)
		obj.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
		return obj
	}
	streamed := managed()
	if _, err := newSink(newFeed(), kindSlice).Transformer()(streamed); err != nil || streamed.ManagedFields != nil {
		t.Errorf("managed fields of a streamed object are %v (%v), want none", streamed.ManagedFields, err)
	}
	list := trimmed(func(context.Context, metav1.ListOptions) (runtime.Object, error) {
		return &v1alpha1.EdgeRouteSliceList{Items: []v1alpha1.EdgeRouteSlice{*managed(), *managed()}}, nil
	})
	page, err := list(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range page.(*v1alpha1.EdgeRouteSliceList).Items {
		if item.ManagedFields != nil {
			t.Errorf("managed fields of a listed object are %v, want none", item.ManagedFields)
		}
	}
}
