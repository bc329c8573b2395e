package contract

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
)

// behavior is one line of the contract: what a program of KubeEdge does, as seen with the
// real one, and how to see it.
type behavior[S any] struct {
	ID, Says string
	See      func(*testing.T, S)
}

// results collects what the suite found, for the table at its end.
type results struct {
	mu    sync.Mutex
	lines map[string]string
	says  map[string]string
}

func newResults() *results { return &results{lines: map[string]string{}, says: map[string]string{}} }

func (r *results) note(id, says, result string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[id], r.says[id] = result, says
}

func (r *results) print(w io.Writer, program string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	passed := 0
	var table strings.Builder
	for _, id := range sortedKeys(r.lines) {
		if r.lines[id] == "pass" {
			passed++
		}
		fmt.Fprintf(&table, "%-4s %-4s %s\n", id, r.lines[id], r.says[id])
	}
	fmt.Fprintf(w, "%s%d of %d behaviors of %s\n", table.String(), passed, len(r.lines), program)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// see runs a list of behaviors, side by side: each has nodes of its own.
func see[S any](t *testing.T, r *results, site S, list []behavior[S]) {
	run(t, r, site, list, (*testing.T).Parallel)
}

// inTurn runs behaviors that disturb each other.
func inTurn[S any](t *testing.T, r *results, site S, list []behavior[S]) {
	run(t, r, site, list, func(*testing.T) {})
}

func run[S any](t *testing.T, r *results, site S, list []behavior[S], begin func(*testing.T)) {
	for _, b := range list {
		t.Run(b.ID, func(t *testing.T) {
			begin(t)
			t.Cleanup(func() {
				result := "pass"
				if t.Failed() {
					result = "FAIL"
					t.Logf("%s: %s", b.ID, b.Says)
				}
				r.note(b.ID, b.Says, result)
			})
			b.See(t, site)
		})
	}
}
