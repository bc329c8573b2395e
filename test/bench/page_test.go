package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	f := sample()
	f.Measured, f.Machine = "2026-01-02", "2 cores, Linux 6.1, amd64"
	if err := f.settle(); err != nil {
		t.Fatal(err)
	}
	text := page([]figure{f})
	for _, want := range []string{
		"| `f` | 0.7 ms | ≤ 1 ms | 0.5, 4, 0.8, 0.6, 0.7 | 2026-01-02 | 2 cores, Linux 6.1, amd64 |",
		"| `f` | 1 of | small | ≤ 1.15 | 0.7 ms | 0.5, 2, 0.8, 0.5, 0.7 |",
		"| `f` | 100 times less than | slow way | ≥ 100 | 90.0 ms | 100, 400, 40.0, 90.0, 70.0 |",
		"| `f` | 0.7 of | for scale | – | 1 ms | 1, 1, 1, 1, 1 |",
		"- `f`: Something.\n  - small: less of it\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
}

// What was written is read again, and a figure that was measured anew replaces its
// older self.
func TestResultsFile(t *testing.T) {
	root := t.TempDir()
	if err := writeResults(root, nil); err == nil {
		t.Fatal("a work tree without docs was accepted")
	}
	mkdir(t, root, "docs")
	old, other := figure{Name: "b", Value: 1}, figure{Name: "a", Value: 2, Limit: limit(0)}
	if err := writeResults(root, merge(nil, []figure{old, other})); err != nil {
		t.Fatal(err)
	}
	results, err := readResults(root)
	if err != nil {
		t.Fatal(err)
	}
	results = merge(results, []figure{{Name: "b", Value: 3}})
	if err := writeResults(root, results); err != nil {
		t.Fatal(err)
	}
	results, err = readResults(root)
	if err != nil || len(results) != 2 || results[0].Name != "a" || results[1].Value != 3 {
		t.Fatalf("results are %+v (%v)", results, err)
	}
	if results[0].Limit == nil || *results[0].Limit != 0 {
		t.Error("a promise of 0 was lost")
	}
}

// The page in docs is made of the results that are kept beside it, so that a figure
// measured alone does not lose the others.
func TestPageIsOfTheKeptResults(t *testing.T) {
	root := filepath.Join("..", "..")
	results, err := readResults(root)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	if len(results) == 0 || page(results) != string(text) {
		t.Errorf("docs/benchmarks.md is not made of the %d results of .bench/results.json: run `make bench ONLY=…`", len(results))
	}
}
