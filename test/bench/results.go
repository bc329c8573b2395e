package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func resultsFile(root string) string { return filepath.Join(root, ".bench", "results.json") }

func readResults(root string) ([]figure, error) {
	b, err := os.ReadFile(resultsFile(root))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var results []figure
	if err := json.Unmarshal(b, &results); err != nil {
		return nil, fmt.Errorf("%s: %w", resultsFile(root), err)
	}
	return results, nil
}

// merge replaces figures of the same name.
func merge(results, figures []figure) []figure {
	results = slices.DeleteFunc(results, func(old figure) bool {
		return slices.ContainsFunc(figures, func(f figure) bool { return f.Name == old.Name })
	})
	return append(results, figures...)
}

// writeResults writes the file and the page made of it.
func writeResults(root string, results []figure) error {
	slices.SortFunc(results, func(a, b figure) int { return strings.Compare(a.Name, b.Name) })
	b, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(resultsFile(root)), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(resultsFile(root), append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "docs", "benchmarks.md"), []byte(page(results)), 0o644)
}

func machine() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Sprintf("%d cores", runtime.NumCPU())
	}
	return fmt.Sprintf("%d cores, Linux %s, %s", runtime.NumCPU(), unix.ByteSliceToString(u.Release[:]), runtime.GOARCH)
}
