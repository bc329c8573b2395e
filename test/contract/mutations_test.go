package contract

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mutations break a stand-in in one place. The changed source is given to the compiler as
// an overlay, so that nothing of it is in the repository.
var mutations = []struct {
	name          string
	program, file string // below sandbox/standin
	old, new      string
	run           string // the tests to run
	caught        string // the behavior that must fail, alone
}{
	{"any value of the edge label will do", "cloudcore", "cloudcore/downstream/downstream.go",
		`EdgeLabel + "="`, `EdgeLabel`, "TestCloudCore/default/(C29|C31)$", "C31"},
	{"long frames are not cut", "cloudcore", "tunnel/frame.go",
		`b[:min(len(b), MaxData)]`, `b`, "TestCloudCore/default/(T11|T12)$", "T12"},
	{"EdgeCore dials CloudHub again at once", "edgecore", "edgecore/edgehub/client.go",
		`pause = 2 * c.Heartbeat`, `pause = time.Second`, "TestEdgeCore/joining/(E07|E11)$", "E11"},
}

// The suite catches what is broken in a stand-in on purpose, and nothing else fails. Each
// broken stand-in is the suite's program of its own, whatever programs the caller tests.
func TestBrokenStandInsAreCaught(t *testing.T) {
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			dir := t.TempDir()
			source := filepath.Join("..", "..", "sandbox", "standin", m.file)
			mutate(t, dir, m.program, source, m.old, m.new)
			cmd := exec.Command(os.Args[0], "-test.v", "-test.run="+m.run)
			cmd.Env = append(os.Environ(), programsVariable+"="+dir)
			out, _ := cmd.CombinedOutput() // that it fails is what is looked at below
			if failed := failures(string(out)); !slices.Equal(failed, []string{m.caught}) {
				t.Errorf("%v failed, want %s alone:\n%s", failed, m.caught, out)
			}
		})
	}
}

// mutate builds a program into dir with one text of one file replaced.
func mutate(t *testing.T, dir, program, source, old, replacement string) {
	t.Helper()
	text := string(must(os.ReadFile(source))(t))
	if strings.Count(text, old) != 1 {
		t.Fatalf("%s has %q %d times, want once", source, old, strings.Count(text, old))
	}
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	replace := map[string]any{"Replace": map[string]string{must(filepath.Abs(source))(t): changed}}
	for path, b := range map[string][]byte{
		changed: []byte(strings.Replace(text, old, replacement, 1)), overlay: must(json.Marshal(replace))(t),
	} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-overlay="+overlay, "-o="+filepath.Join(dir, program), "./standin/"+program)
	build.Dir = filepath.Join("..", "..", "sandbox")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("build the broken %s: %w: %s", program, err, out))
	}
}

// failures gives the numbers of the behaviors that failed.
func failures(out string) []string {
	var ids []string
	for _, m := range regexp.MustCompile(`(?m)^([A-Z]\d\d) +FAIL`).FindAllStringSubmatch(out, -1) {
		ids = append(ids, m[1])
	}
	return ids
}
