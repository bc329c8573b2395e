package main

import (
	"fmt"
	"slices"
	"time"
)

// figure is one measured value.
type figure struct {
	Name  string    `json:"name"`
	Unit  string    `json:"unit"`
	Value float64   `json:"value"` // median of Runs
	Runs  []float64 `json:"runs"`
	// Limit that the project promises; nil for none.
	Limit *float64 `json:"limit,omitempty"`
	// Baselines are what the value is compared with.
	Baselines []baseline `json:"baselines,omitempty"`
	// What was done, in one sentence.
	What string `json:"what"`
	// Measured is the day, and Machine where.
	Measured string `json:"measured"`
	Machine  string `json:"machine"`
}

// baseline is another way or size, measured between the runs of its figure and in
// its unit.
type baseline struct {
	Name  string    `json:"name"`
	What  string    `json:"what"`
	Value float64   `json:"value"` // median of Runs
	Runs  []float64 `json:"runs"`
	// Ratio is the median of the runs' ratios, in the sense of Sense.
	Ratio float64 `json:"ratio"`
	Sense sense   `json:"sense"`
	// Limit on Ratio, from above for share and from below for factor; 0 for none.
	Limit float64 `json:"limit,omitempty"`
}

// sense says what a ratio means.
type sense string

const (
	// share is the figure divided by its baseline.
	share sense = "share"
	// factor is the baseline divided by the figure: how many times less it is.
	factor sense = "factor"
)

// spec is what is known of a figure before it is measured.
type spec struct {
	name, unit, what string
	limit            *float64
	baselines        []baseline
}

func limit(v float64) *float64 { return &v }

// blank is the figure without values.
func (s spec) blank() figure {
	return figure{
		Name: s.name, Unit: s.unit, Limit: s.limit, What: s.what, Baselines: slices.Clone(s.baselines),
		Measured: time.Now().Format(time.DateOnly), Machine: machine(),
	}
}

// settle computes medians and ratios from the runs; it is an error when a baseline
// was not measured in every run.
func (f *figure) settle() error {
	if len(f.Runs) == 0 {
		return fmt.Errorf("%s was not measured", f.Name)
	}
	f.Value = median(f.Runs)
	for i := range f.Baselines {
		b := &f.Baselines[i]
		if len(b.Runs) != len(f.Runs) {
			return fmt.Errorf("%s has %d runs, its baseline %s %d", f.Name, len(f.Runs), b.Name, len(b.Runs))
		}
		b.Value = median(b.Runs)
		ratios := make([]float64, len(b.Runs))
		for r := range ratios {
			if ratios[r] = f.Runs[r] / b.Runs[r]; b.Sense == factor {
				ratios[r] = b.Runs[r] / f.Runs[r]
			}
		}
		b.Ratio = median(ratios)
	}
	return nil
}

// baseline finds one by its name.
func (f *figure) baseline(name string) *baseline {
	i := slices.IndexFunc(f.Baselines, func(b baseline) bool { return b.Name == name })
	if i < 0 {
		panic(fmt.Sprintf("figure %s has no baseline %q", f.Name, name))
	}
	return &f.Baselines[i]
}

func (b *baseline) add(value float64) { b.Runs = append(b.Runs, value) }

// broken lists the limits that do not hold.
func (f figure) broken() []string {
	var out []string
	if f.Limit != nil && f.Value > *f.Limit {
		out = append(out, fmt.Sprintf("%s is %s %s, want at most %s", f.Name, number(f.Value), f.Unit, number(*f.Limit)))
	}
	for _, b := range f.Baselines {
		if !b.kept() {
			out = append(out, fmt.Sprintf("%s is %s %s, want %s", f.Name, b.ratio(), b.Name, b.promise()))
		}
	}
	return out
}

func (b baseline) kept() bool {
	switch {
	case b.Limit == 0:
		return true
	case b.Sense == factor:
		return b.Ratio >= b.Limit
	default:
		return b.Ratio <= b.Limit
	}
}

// ratio as a person reads it before the baseline's name.
func (b baseline) ratio() string {
	if b.Sense == factor {
		return number(b.Ratio) + " times less than"
	}
	return number(b.Ratio) + " of"
}

// promise is the limit on the ratio, or a dash.
func (b baseline) promise() string {
	switch {
	case b.Limit == 0:
		return "–"
	case b.Sense == factor:
		return "≥ " + number(b.Limit)
	default:
		return "≤ " + number(b.Limit)
	}
}

// median of at least one value.
func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile q, from 0 to 1, of at least one value, between two neighbors where it
// falls between them.
func quantile(values []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(values))
	at := q * float64(len(s)-1)
	low := int(at)
	if low+1 == len(s) {
		return s[low]
	}
	return s[low] + (at-float64(low))*(s[low+1]-s[low])
}

// number prints a value with three significant digits or so.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
