package main

import (
	"fmt"
	"strings"
)

// page renders docs/benchmarks.md.
func page(results []figure) string {
	var b strings.Builder
	b.WriteString(`# Benchmarks

Written by ` + "`make bench`" + `: medians, on an idle machine. "Promised" is what the project holds itself to.

| figure | median | promised | runs | day | machine |
|---|---|---|---|---|---|
`)
	for _, f := range results {
		promised := "–"
		if f.Limit != 0 {
			promised = fmt.Sprintf("≤ %s %s", number(f.Limit), f.Unit)
		}
		runs := make([]string, len(f.Runs))
		for i, r := range f.Runs {
			runs[i] = number(r)
		}
		fmt.Fprintf(&b, "| `%s` | %s %s | %s | %s | %s | %s |\n", f.Name, number(f.Value), f.Unit, promised, strings.Join(runs, ", "), f.Measured, f.Machine)
	}
	b.WriteString("\n## What each figure is\n\n")
	for _, f := range results {
		fmt.Fprintf(&b, "- `%s`: %s\n", f.Name, f.What)
	}
	return b.String()
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
