package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// groups are all measurements, in the order in which they run.
var groups = slices.Concat(natGroups, changeGroups, loadGroups, operatorGroups, watcherGroups, siteGroups, lagGroups, browserGroups, logGroups, figureGroups, batchGroups, joinGroups)

// With other numbers a measurement is only tried out, and nothing is written.
const (
	fullRuns  = 5
	fullNodes = 100_000
)

// errBroken says that a figure is not what the documents promise.
var errBroken = errors.New("promise not kept")

func main() {
	root := flag.String("root", ".", "work tree")
	only := flag.String("only", "", "comma-separated names; empty: all but those that run only when named")
	nodes := flag.Int("nodes", fullNodes, "edge nodes in the figures about many; with another number results are printed only")
	runs := flag.Int("runs", fullRuns, "runs of each figure; with another number results are printed only")
	list := flag.Bool("list", false, "list the figures")
	flag.Parse()
	if *list {
		printList()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	at, err := filepath.Abs(*root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	s := &session{root: at, nodes: *nodes, runs: *runs, trial: *nodes != fullNodes || *runs != fullRuns}
	if err := bench(ctx, s, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func printList() {
	for _, g := range groups {
		for _, f := range g.figures {
			fmt.Printf("%-22s %s\n", f.name, f.what)
		}
	}
}

// bench runs the groups that have a wanted figure, all of them even when one fails.
func bench(ctx context.Context, s *session, only string) error {
	wanted, err := choose(only)
	if err != nil {
		return err
	}
	results, err := readResults(s.root)
	if err != nil {
		return err
	}
	var errs []error
	for _, g := range groups {
		if !slices.ContainsFunc(g.figures, func(f spec) bool { return wanted[f.name] }) {
			continue
		}
		started := time.Now()
		figures, err := g.take(ctx, s)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", g.names(), err))
		}
		figures = slices.DeleteFunc(figures, func(f figure) bool { return !wanted[f.Name] })
		for _, f := range figures {
			for _, b := range f.broken() {
				errs = append(errs, fmt.Errorf("%w: %s", errBroken, b))
			}
		}
		fmt.Printf("%s took %.0f s\n", g.names(), time.Since(started).Seconds())
		results = merge(results, figures)
		if ctx.Err() != nil {
			return errors.Join(errs...)
		}
		if s.trial || err != nil {
			continue
		}
		if err := writeResults(s.root, results); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

// choose tells which figures are wanted.
func choose(only string) (map[string]bool, error) {
	wanted := map[string]bool{}
	known := map[string]bool{}
	for _, g := range groups {
		for _, f := range g.figures {
			known[f.name] = true
			wanted[f.name] = only == "" && !g.cold
		}
	}
	if only == "" {
		return wanted, nil
	}
	for name := range strings.SplitSeq(only, ",") {
		if !known[name] {
			return nil, fmt.Errorf("there is no figure %q; go run ./test/bench -list names them", name)
		}
		wanted[name] = true
	}
	return wanted, nil
}
