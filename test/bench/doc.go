// Command bench measures what the documents promise, on an idle machine, and
// writes .bench/results.json and docs/benchmarks.md.
//
// Every figure has a name and a unit and is the median of its runs. What it is
// compared with is measured between the same runs, since timings of different
// moments do not compare; a ratio is the median of the runs' own ratios. Other
// tools' methods appear here only, to be compared with. Tests assert none of this.
package main
