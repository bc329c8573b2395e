package netns

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
)

// scale is how many routes BenchmarkScale uses; EDGEWAY_ROUTES overrides it.
func scale(b *testing.B) int {
	text := os.Getenv("EDGEWAY_ROUTES")
	if text == "" {
		return 100000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("EDGEWAY_ROUTES is %q; use a positive number", text)
	}
	return n
}

// fill gives the model count routes in slices of the usual size.
func (s *site) fill(count int) {
	s.t.Helper()
	n := 0
	for slice := range slices.Chunk(some(count, 0), v1alpha1.MaxRoutesPerSlice) {
		if err := s.model.SetSlice(fmt.Sprintf("s%06d", n), slice); err != nil {
			s.t.Fatal(err)
		}
		n++
	}
}

// sync applies without looking at connection tracking, as the operator's loop does.
func (s *site) sync(tb testing.TB) time.Duration {
	tb.Helper()
	start := time.Now()
	if _, err := s.backend.Apply(tb.Context(), s.model.Plan(), netrules.Trust); err != nil {
		tb.Fatal(err)
	}
	s.model.Commit()
	return time.Since(start)
}

// BenchmarkScale measures one operator at a scale: the first load, a restart with
// nothing to do, and one node's route added, moved and removed.
func BenchmarkScale(b *testing.B) {
	s := newSite(b)
	s.targets(nil, "10.9.1.2", "10.9.1.3")
	s.fill(scale(b))
	load := s.sync(b)
	s.open()
	restart := s.sync(b)
	var total time.Duration
	changes := 0
	for b.Loop() {
		for _, routes := range [][]v1alpha1.EdgeRoute{
			{route("a", edgeA, "10351")}, {route("a", edgeA, "10352")}, nil,
		} {
			s.routes(routes...)
			total += s.sync(b)
			changes++
		}
	}
	b.ReportMetric(float64(load.Milliseconds()), "load-ms")
	b.ReportMetric(float64(restart.Milliseconds()), "restart-ms")
	b.ReportMetric(float64(total.Microseconds())/float64(changes), "change-µs")
}
