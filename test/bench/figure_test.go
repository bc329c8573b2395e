package main

import (
	"strings"
	"testing"
)

func sample() figure {
	f := spec{name: "f", unit: "ms", what: "Something.", limit: limit(1), baselines: []baseline{
		{Name: "small", What: "less of it", Sense: share, Limit: 1.15},
		{Name: "slow way", What: "another way", Sense: factor, Limit: 100},
		{Name: "for scale", What: "no promise", Sense: share},
	}}.blank()
	f.Runs = []float64{0.5, 4, 0.8, 0.6, 0.7}
	f.baseline("small").Runs = []float64{0.5, 2, 0.8, 0.5, 0.7}
	f.baseline("slow way").Runs = []float64{100, 400, 40, 90, 70}
	f.baseline("for scale").Runs = []float64{1, 1, 1, 1, 1}
	return f
}

// A ratio is the median of the runs' own ratios: the quotient of the medians would
// compare different moments.
func TestRatiosComeFromTheSameRun(t *testing.T) {
	f := sample()
	if err := f.settle(); err != nil {
		t.Fatal(err)
	}
	if f.Value != 0.7 {
		t.Errorf("median is %v, want 0.7", f.Value)
	}
	if got := f.baseline("small").Ratio; got != 1 {
		t.Errorf("share is %v, want 1", got)
	}
	if got := f.baseline("slow way").Ratio; got < 99.9 || got > 100.1 {
		t.Errorf("factor is %v, want 100, the median of 200, 100, 50, 150 and 100", got)
	}
}

func TestBrokenPromisesAreNamed(t *testing.T) {
	f := sample()
	if err := f.settle(); err != nil {
		t.Fatal(err)
	}
	if got := f.broken(); len(got) != 0 {
		t.Errorf("kept promises are reported: %v", got)
	}
	f.Limit = limit(0.5)
	f.baseline("small").Ratio = 1.2
	f.baseline("slow way").Ratio = 99
	text := strings.Join(f.broken(), "\n")
	for _, want := range []string{"f is 0.7 ms, want at most 0.5", "1.2 of small", "99.0 times less than slow way, want ≥ 100"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if n := len(f.broken()); n != 3 {
		t.Errorf("%d broken promises, want 3: %s", n, text)
	}
	// Zero is a promise as well.
	zero := figure{Name: "failures", Unit: "connections", Runs: []float64{0, 1, 1}, Limit: limit(0)}
	if err := zero.settle(); err != nil || len(zero.broken()) != 1 {
		t.Errorf("a failure where none is promised: %v, %v", zero.broken(), err)
	}
}

func TestUnmeasuredIsAnError(t *testing.T) {
	f := sample()
	f.baseline("small").Runs = f.baseline("small").Runs[:2]
	if err := f.settle(); err == nil || !strings.Contains(err.Error(), "small") {
		t.Errorf("error %v does not name the baseline that lacks runs", err)
	}
	if err := (&figure{Name: "none"}).settle(); err == nil {
		t.Error("a figure without runs settles")
	}
}

func TestQuantile(t *testing.T) {
	values := []float64{4, 1, 3, 2}
	for q, want := range map[float64]float64{0: 1, 0.5: 2.5, 1: 4} {
		if got := quantile(values, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if values[0] != 4 {
		t.Error("the values were sorted in place")
	}
}
