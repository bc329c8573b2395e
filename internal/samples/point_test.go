package samples

import "testing"

func counted(at int64, v uint64) *Point {
	p := &Point{At: at, NetworkAt: at, DiskAt: at}
	p.Set(NetworkRxBytes, &v)
	return p
}

func TestRate(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after *Point
		want          float64
		ok            bool
	}{
		"grows":                {counted(0, 100), counted(10_000, 1100), 100, true},
		"stands still":         {counted(0, 100), counted(10_000, 100), 0, true},
		"restarted":            {counted(0, 5000), counted(10_000, 200), 20, true},
		"restarted at nothing": {counted(0, 5000), counted(10_000, 0), 0, true},
		"large counters":       {counted(0, 1<<63), counted(1000, 1<<63+7), 7, true},
		"no time passed":       {counted(5, 1), counted(5, 9), 0, false},
		"clock went back":      {counted(10, 1), counted(5, 9), 0, false},
		"absent before":        {&Point{At: 1}, counted(5000, 9), 0, false},
		"absent after":         {counted(0, 1), &Point{At: 5, NetworkAt: 5}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := Rate(tc.before, tc.after, NetworkRxBytes)
			if got != tc.want || ok != tc.ok {
				t.Errorf("rate %v, %v; want %v, %v", got, ok, tc.want, tc.ok)
			}
		})
	}
}

// A counter has a time of its own: cAdvisor's figures are younger than the summary's.
func TestRateUsesTheCountersTime(t *testing.T) {
	before, after := counted(0, 0), counted(10_000, 8000)
	after.NetworkAt = 8000
	if got, _ := Rate(before, after, NetworkRxBytes); got != 1000 {
		t.Errorf("rate %v, want 1000", got)
	}
}

func TestZeroIsNotAbsent(t *testing.T) {
	zero := uint64(0)
	p := Point{At: 1}
	p.Set(SwapUsageBytes, &zero)
	p.Set(DiskReads, nil)
	s := sampleOf([]Point{p})
	if s.SwapUsageBytes == nil || *s.SwapUsageBytes != 0 {
		t.Error("a reported zero got lost")
	}
	if s.DiskReads != nil || s.DiskOperations != nil || s.CPUUsageNanoCores != nil {
		t.Error("a figure that was not reported appears")
	}
}

// cAdvisor measures more seldom than the kubelet at times; the rate stays then.
func TestRateOfACounterThatWasNotMeasuredAgain(t *testing.T) {
	points := []Point{*counted(0, 0), *counted(10_000, 5000), *counted(20_000, 5000)}
	points[2].NetworkAt = 10_000
	if s := sampleOf(points); s.NetworkRxBytesPerSecond == nil || *s.NetworkRxBytesPerSecond != 500 {
		t.Errorf("rate %v, want 500 as before", s.NetworkRxBytesPerSecond)
	}
}
