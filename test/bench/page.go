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
		if f.Limit != nil {
			promised = fmt.Sprintf("≤ %s %s", number(*f.Limit), f.Unit)
		}
		fmt.Fprintf(&b, "| `%s` | %s %s | %s | %s | %s | %s |\n", f.Name, number(f.Value), f.Unit, promised, numbers(f.Runs), f.Measured, f.Machine)
	}
	b.WriteString(`
## Compared with

Measured between the runs of the same figure. Ratios are medians of the runs' own ratios.

| figure | is | baseline | promised | the baseline's median | its runs |
|---|---|---|---|---|---|
`)
	for _, f := range results {
		for _, base := range f.Baselines {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s %s | %s |\n",
				f.Name, base.ratio(), base.Name, base.promise(), number(base.Value), f.Unit, numbers(base.Runs))
		}
	}
	b.WriteString("\n## What each figure is\n\n")
	for _, f := range results {
		fmt.Fprintf(&b, "- `%s`: %s\n", f.Name, f.What)
		for _, base := range f.Baselines {
			fmt.Fprintf(&b, "  - %s: %s\n", base.Name, base.What)
		}
	}
	return b.String()
}

func numbers(values []float64) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = number(v)
	}
	return strings.Join(texts, ", ")
}
