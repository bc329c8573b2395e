package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// figure is one measured value.
type figure struct {
	Name  string    `json:"name"`
	Unit  string    `json:"unit"`
	Value float64   `json:"value"` // median of Runs
	Runs  []float64 `json:"runs"`
	// Limit that the project promises; 0 for none.
	Limit float64 `json:"limit,omitempty"`
	// What was done, in one sentence.
	What string `json:"what"`
	// Measured is the day, and Machine where.
	Measured string `json:"measured"`
	Machine  string `json:"machine"`
}

// measurement takes one figure's runs.
type measurement struct {
	name, unit, what string
	limit            float64
	runs             int
	// cold measurements take very long; they run only when named.
	cold bool
	run  func(ctx context.Context, root string) (float64, error)
}

func main() {
	root := flag.String("root", ".", "work tree")
	only := flag.String("only", "", "comma-separated names; empty: all but the cold ones")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, *root, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, root, only string) error {
	results, err := readResults(root)
	if err != nil {
		return err
	}
	for _, m := range measurements {
		if only == "" && m.cold || only != "" && !slices.Contains(strings.Split(only, ","), m.name) {
			continue
		}
		f, err := m.measure(ctx, root)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		results = slices.DeleteFunc(results, func(old figure) bool { return old.Name == f.Name })
		results = append(results, f)
		if err := writeResults(root, results); err != nil {
			return err
		}
	}
	return nil
}

func (m measurement) measure(ctx context.Context, root string) (figure, error) {
	f := figure{Name: m.name, Unit: m.unit, Limit: m.limit, What: m.what, Measured: time.Now().Format(time.DateOnly), Machine: machine()}
	for i := range m.runs {
		v, err := m.run(ctx, root)
		if err != nil {
			return f, err
		}
		fmt.Printf("%s run %d of %d: %.1f %s\n", m.name, i+1, m.runs, v, m.unit)
		f.Runs = append(f.Runs, v)
	}
	f.Value = median(f.Runs)
	return f, nil
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

func machine() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Sprintf("%d cores", runtime.NumCPU())
	}
	return fmt.Sprintf("%d cores, Linux %s, %s", runtime.NumCPU(), unix.ByteSliceToString(u.Release[:]), runtime.GOARCH)
}

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
