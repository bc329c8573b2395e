package samples

import (
	"testing"
	"time"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func cpuAt(at time.Time, nano uint64) Point {
	p := Point{At: at.UnixMilli(), NetworkAt: at.UnixMilli()}
	p.Set(CPUUsageNanoCores, &nano)
	p.Set(NetworkTxBytes, &nano)
	return p
}

func add(s *Store, at time.Time, nano uint64) {
	s.Add("edge-1", cpuAt(at, nano), []PodPoints{{
		Key: PodKey{"web", "pod-1"}, Point: cpuAt(at, nano), Containers: map[string]Point{"app": cpuAt(at, nano)},
	}}, at)
}

func newTestStore() *Store {
	return NewStore(Limits{Keep: time.Hour, Points: 100_000, Gap: 50 * time.Second})
}

func TestRecentSamplesAreDistinctAndEight(t *testing.T) {
	s := newTestStore()
	for i := range 12 {
		at := start.Add(time.Duration(i) * 10 * time.Second)
		add(s, at, uint64(i))
		add(s, at, uint64(i)) // the kubelet measured nothing new meanwhile
	}
	pod := s.Pod(PodKey{"web", "pod-1"}, "edge-1", Query{Now: start})
	if len(pod.Containers) != 1 {
		t.Fatalf("containers: %+v", pod.Containers)
	}
	recent := pod.Containers[0].Recent
	if len(recent) != RecentCount {
		t.Fatalf("%d samples, want %d", len(recent), RecentCount)
	}
	for i, sample := range recent {
		if want := start.Add(time.Duration(i+4) * 10 * time.Second); !sample.Time.Equal(want) || *sample.CPUUsageNanoCores != uint64(i+4) {
			t.Errorf("sample %d is of %v with %d", i, sample.Time, *sample.CPUUsageNanoCores)
		}
		if sample.NetworkTxBytesPerSecond == nil || *sample.NetworkTxBytesPerSecond != 0.1 {
			t.Errorf("sample %d: sending %v a second, want 0.1", i, sample.NetworkTxBytesPerSecond)
		}
	}
}

func TestWhatIsMissingHasItsCause(t *testing.T) {
	s := newTestStore()
	add(s, start, 1)
	causes := map[string]string{}
	for _, m := range s.Node("edge-1", Query{Now: start}).Node.Unavailable {
		if m.Message == "" {
			t.Errorf("%s has no explanation", m.Field)
		}
		causes[m.Field] = m.Cause
	}
	for field, want := range map[string]string{
		"networkTxBytesPerSecond": CauseOneSample, "networkRxBytesPerSecond": CauseNotReported,
		"memoryUsageBytes": CauseNotReported, "diskReadBytes": CauseNotReported, "cpuUsageNanoCores": "",
	} {
		if causes[field] != want {
			t.Errorf("%s: cause %q, want %q", field, causes[field], want)
		}
	}
}

func TestHistoryHasGaps(t *testing.T) {
	s := newTestStore()
	for _, seconds := range []int{0, 10, 20, 200, 210} {
		add(s, start.Add(time.Duration(seconds)*time.Second), uint64(1000*seconds))
	}
	now := start.Add(220 * time.Second)
	h := s.Node("edge-1", Query{Since: time.Hour, Now: now}).Node.History
	cpu, rate := h.Series["cpuUsageNanoCores"], h.Series["networkTxBytesPerSecond"]
	if len(h.TimesMs) != 6 || len(cpu) != 6 || len(rate) != 6 {
		t.Fatalf("%d times, %d values, %d rates, want 6 of each", len(h.TimesMs), len(cpu), len(rate))
	}
	if cpu[3] != nil || cpu[2] == nil || cpu[4] == nil {
		t.Errorf("no gap where samples are missing: %v", cpu)
	}
	if rate[4] != nil {
		t.Errorf("a rate of %v spans the gap", *rate[4])
	}
	if rate[5] == nil || *rate[5] != 1000 {
		t.Errorf("rate after the gap: %v", rate[5])
	}
	if swap := h.Series["swapUsageBytes"]; len(swap) != 6 || swap[0] != nil {
		t.Errorf("a series that was never reported: %v", swap)
	}
	if short := s.Node("edge-1", Query{Since: 15 * time.Second, Now: now}).Node.History; len(short.TimesMs) != 1 {
		t.Errorf("the last 15 s have %d points, want 1", len(short.TimesMs))
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const points = 300
	s := NewStore(Limits{Keep: time.Hour, Points: points, Gap: time.Minute})
	for i := range 200 {
		at := start.Add(time.Duration(i) * 10 * time.Second)
		add(s, at, uint64(i))
		s.Sweep(at)
	}
	n := s.nodes["edge-1"]
	if total := len(n.points) + len(n.pods[PodKey{"web", "pod-1"}].points) + len(n.pods[PodKey{"web", "pod-1"}].containers["app"]); total > points {
		t.Errorf("%d points are kept, the limit is %d", total, points)
	}
	if got := len(s.Node("edge-1", Query{Now: start}).Node.Recent); got != RecentCount {
		t.Errorf("%d recent samples, want %d whatever the limit", got, RecentCount)
	}
}

func TestOldAndGoneIsForgotten(t *testing.T) {
	s := newTestStore()
	add(s, start, 1)
	key := PodKey{"web", "pod-1"}
	if node, ok := s.NodeOf(key); !ok || node != "edge-1" {
		t.Errorf("the pod was seen on %q, %v", node, ok)
	}
	s.Failed("edge-1", CauseTimeout, "no answer", start.Add(time.Minute))
	got := s.Node("edge-1", Query{Now: start})
	if got.State.Available || got.State.Cause != CauseTimeout || got.State.Succeeded == nil || len(got.Node.Recent) != 1 {
		t.Errorf("after a failure: %+v, want the old sample with the cause", got.State)
	}
	s.Sweep(start.Add(3 * time.Hour))
	if _, ok := s.NodeOf(key); ok || len(s.nodes) != 0 {
		t.Errorf("still there after three hours: %d nodes", len(s.nodes))
	}
}

func TestTrends(t *testing.T) {
	trends := NewTrends(time.Hour, 1000)
	for i := range 8 { // two points in each interval of a minute, and none in the third
		at := start.Add(time.Duration(i) * 30 * time.Second)
		if i/2 != 2 {
			trends.Add(map[string]TrendPoint{"b": {At: at.UnixMilli(), NanoCores: float64(i), MemoryBytes: 7}, "a": {At: at.UnixMilli()}}, at)
		}
	}
	list := trends.List(4*time.Minute, 4, start.Truncate(time.Minute).Add(3*time.Minute+30*time.Second))
	if len(list.Items) != 2 || list.Items[0].Metadata.Name != "a" || len(list.TimesMs) != 4 {
		t.Fatalf("%d nodes, %d times", len(list.Items), len(list.TimesMs))
	}
	cpu := list.Items[1].CPUNanoCores
	if cpu[0] == nil || *cpu[0] != 0 || cpu[1] == nil || *cpu[1] != 2 || cpu[2] != nil || cpu[3] == nil {
		t.Errorf("means %v", cpu)
	}
	if zero := list.Items[0].CPUNanoCores[0]; zero == nil || *zero != 0 {
		t.Error("a node that uses nothing looks as if it had no figures")
	}
}
