package live

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"

	"github.com/edgeway-io/edgeway/internal/limit"
)

// site is a cluster whose nodes are counted.
type site struct {
	*fake.Clientset
	lists  atomic.Int32
	list   *List[string]
	budget *limit.Bytes
}

func newSite(t *testing.T, nodes ...string) *site {
	t.Helper()
	s := &site{Clientset: fake.NewClientset(), budget: limit.NewBytes(1 << 20)}
	for _, name := range nodes {
		s.add(t, name)
	}
	s.PrependReactor("list", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
		s.lists.Add(1)
		return false, nil, nil
	})
	api := s.CoreV1().Nodes()
	source := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return api.List(ctx, o) },
		WatchFuncWithContext: api.Watch,
	}, s.Clientset)
	s.list = New(t.Context(), source, &corev1.Node{}, func(o runtime.Object) string { return o.(*corev1.Node).Name }, s.budget)
	return s
}

func (s *site) add(t *testing.T, name string) {
	t.Helper()
	if _, err := s.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// becomes waits until the rows are those.
func (s *site) becomes(t *testing.T, want ...string) {
	t.Helper()
	var rows []string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var ok bool
		if rows, ok = s.list.Rows(); ok {
			if slices.Sort(rows); slices.Equal(rows, want) {
				return
			}
		}
	}
	t.Fatalf("the rows are %v, want %v", rows, want)
}

func TestRowsFollowTheObjects(t *testing.T) {
	s := newSite(t, "a", "b")
	if rows, ok := s.list.Rows(); ok {
		t.Errorf("before anything was read there are %v", rows)
	}
	s.becomes(t, "a", "b")
	s.add(t, "c")
	s.becomes(t, "a", "b", "c")
	if err := s.CoreV1().Nodes().Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.becomes(t, "b", "c")
	if n := s.lists.Load(); n != 1 {
		t.Errorf("the nodes were listed %d times, want once", n)
	}
}

func TestNobodyAsksAnyMore(t *testing.T) {
	s := newSite(t, "a")
	s.list.idle = 50 * time.Millisecond
	s.becomes(t, "a")
	s.gone(t)
	s.add(t, "b")
	s.becomes(t, "a", "b")
	if n := s.lists.Load(); n != 2 {
		t.Errorf("the nodes were listed %d times, want once for each time that somebody came", n)
	}
}

// gone waits until nothing is watched.
func (s *site) gone(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		s.list.mu.Lock()
		watched := s.list.view != nil
		s.list.mu.Unlock()
		if !watched {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the list is still watched")
		}
	}
}

// Whoever may not read is not tried again at every request.
func TestARefusedListIsNotTriedAtOnce(t *testing.T) {
	s := newSite(t, "a")
	var refused atomic.Int32
	s.PrependReactor("list", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
		refused.Add(1)
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "", nil)
	})
	s.list.Rows()
	s.gone(t)
	for range 10 {
		if _, ok := s.list.Rows(); ok {
			t.Fatal("there are rows that nobody could read")
		}
	}
	s.gone(t)
	if n := refused.Load(); n != 1 {
		t.Errorf("it was tried %d times, want once in %s", n, pause)
	}
}

func TestTheOwnersEndIsTheListsEnd(t *testing.T) {
	s := newSite(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	s.list.ctx = ctx
	s.becomes(t, "a")
	cancel()
	s.gone(t)
	if _, ok := s.list.Rows(); ok {
		t.Error("there are rows after the owner's end")
	}
	s.gone(t)
}

// TestRowsCountAgainstTheBudget: what is held follows the rows, and all of it comes back.
func TestRowsCountAgainstTheBudget(t *testing.T) {
	s := newSite(t, "a", "bb")
	row := limit.SizeOf("")
	s.becomes(t, "a", "bb")
	if want := 2*row + 3; s.budget.Held() != want {
		t.Errorf("two rows hold %d, want %d", s.budget.Held(), want)
	}
	s.add(t, "ccc")
	s.becomes(t, "a", "bb", "ccc")
	if err := s.CoreV1().Nodes().Delete(t.Context(), "bb", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.becomes(t, "a", "ccc")
	if want := 2*row + 4; s.budget.Held() != want {
		t.Errorf("one more and one less hold %d, want %d", s.budget.Held(), want)
	}
	s.list.mu.Lock()
	s.list.stop.Reset(0) // nobody asks any more
	s.list.mu.Unlock()
	s.gone(t)
	if s.budget.Held() != 0 {
		t.Errorf("a list that is gone holds %d", s.budget.Held())
	}
}

// TestAListWithoutRoomIsNotKept: not in part either, and it gives back what it took.
func TestAListWithoutRoomIsNotKept(t *testing.T) {
	for name, late := range map[string]bool{"from the start": false, "when it grows": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "a")
			room := limit.SizeOf("a")
			if late {
				s.budget.Take(s.budget.Most() - room)
				s.becomes(t, "a")
				s.add(t, "b")
			} else {
				s.budget.Take(s.budget.Most() - room + 1)
				s.list.Rows()
			}
			s.gone(t)
			if rows, ok := s.list.Rows(); ok {
				t.Errorf("there are rows %v", rows)
			}
			s.gone(t)
			if held := s.budget.Held() - s.budget.Most() + room; held > 1 {
				t.Errorf("a list that was given up holds %d", held)
			}
		})
	}
}
