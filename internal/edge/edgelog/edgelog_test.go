package edgelog

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestFirst reads outputs of EdgeCore, each with the finding that people must see.
func TestFirst(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no outputs: %v", err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(a.Files); i += 2 {
			output, want := a.Files[i], strings.TrimSpace(string(a.Files[i+1].Data))
			t.Run(output.Name, func(t *testing.T) {
				got := ""
				if f, ok := First(string(output.Data)); ok {
					got = f.String()
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestEveryRuleHasCauseAndRemedy(t *testing.T) {
	for _, r := range rules {
		if r.cause == "" || r.remedy == "" {
			t.Errorf("%s: cause %q, remedy %q", r.line, r.cause, r.remedy)
		}
	}
}

func FuzzFirst(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for i := 0; i < len(a.Files); i += 2 { // one output each: a fuzzer is fast on short ones
			f.Add(string(a.Files[i].Data))
		}
	}
	f.Fuzz(func(t *testing.T, output string) {
		found, ok := First(output)
		if ok != (found.Line != "") || len(found.Line) > maxLine+len("…") || !utf8.ValidString(found.Line) || strings.Contains(found.Line, "\n") {
			t.Errorf("%v %q", ok, found.Line)
		}
	})
}
