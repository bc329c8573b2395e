package registry

import (
	"slices"
	"testing"
)

func TestNewestConnectionsCount(t *testing.T) {
	r := New[int](2)
	for c, want := range [][]int{nil, nil, {0}, {1}} {
		if got := r.Add("a", c); !slices.Equal(got, want) {
			t.Errorf("with connection %d, %v are too many, want %v", c, got, want)
		}
	}
	r.Add("b", 9)
	if got := r.Of("a"); !slices.Equal(got, []int{2, 3}) {
		t.Errorf("a has %v", got)
	}
	if got := r.All(); len(got) != 3 {
		t.Errorf("all are %v", got)
	}
	for _, c := range []int{3, 2, 7} {
		r.Remove("a", c)
	}
	if got := r.Of("a"); len(got) > 0 || len(r.byNode) != 1 {
		t.Errorf("a has %v after its connections ended; %v is kept", got, r.byNode)
	}
}
