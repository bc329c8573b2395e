package contract

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The document's list stands between these lines.
const (
	listBegins = "<!-- behaviors: begin -->\n"
	listEnds   = "<!-- behaviors: end -->\n"
)

// list gives a line for each behavior.
func list() []string {
	var lines []string
	for _, l := range [][]string{
		linesOf(certificateBehaviors), linesOf(hubBehaviors), linesOf(tunnelBehaviors), linesOf(streamBehaviors),
		linesOf(authorizationBehaviors), linesOf(unprivilegedBehaviors), linesOf(limitBehaviors), linesOf(restartBehaviors),
		linesOf(joiningBehaviors), linesOf(joinedBehaviors), linesOf(kubeletlessBehaviors), linesOf(togetherBehaviors),
	} {
		lines = append(lines, l...)
	}
	return lines
}

func linesOf[S any](all []behavior[S]) []string {
	lines := make([]string, 0, len(all))
	for _, b := range all {
		lines = append(lines, fmt.Sprintf("- %s: %s", b.ID, b.Says))
	}
	slices.Sort(lines)
	return lines
}

// docs/compatibility.md lists the very behaviors of the suite. With
// EDGEWAY_CONTRACT_UPDATE=1 the list is written.
func TestDocumentListsTheBehaviors(t *testing.T) {
	want := strings.Join(list(), "\n") + "\n"
	path := filepath.Join("..", "..", "docs", "compatibility.md")
	text := string(must(os.ReadFile(path))(t))
	before, rest, ok := strings.Cut(text, listBegins)
	got, after, ended := strings.Cut(rest, listEnds)
	if !ok || !ended {
		t.Fatalf("%s has no list between %q and %q", path, listBegins, listEnds)
	}
	if os.Getenv("EDGEWAY_CONTRACT_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(before+listBegins+want+listEnds+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-suite +document); EDGEWAY_CONTRACT_UPDATE=1 go test -run Document ./test/contract writes it:\n%s", path, diff)
	}
}

// Numbers are not given out twice, and there are enough of them.
func TestNumbersAreUnique(t *testing.T) {
	const least = 60
	seen := map[string]bool{}
	for _, line := range list() {
		id, _, _ := strings.Cut(strings.TrimPrefix(line, "- "), ":")
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
	}
	if len(seen) < least {
		t.Errorf("there are %d behaviors, want at least %d", len(seen), least)
	}
}
