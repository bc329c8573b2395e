// Command bench measures what the documents promise, on an idle machine, and
// writes .bench/results.json and docs/benchmarks.md.
//
// Every figure has a name and a unit and is the median of its runs. Ratios
// compare two ways within one run, since timings of different days do not
// compare. Tests assert none of this.
package main
