package corpus_test

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/edgeway-io/edgeway/test/corpus"
)

var update = flag.Bool("update", false, "write what comes into the cases; look at it before you commit it")

// outcome is what the product makes of an input, as the lines that a case wants.
type outcome func(t *testing.T, c corpus.Case) string

// kinds say what is done with the cases of each directory. Files of this package add
// theirs.
var kinds = map[string]outcome{}

// elsewhere are directories that the tests of another package walk.
var elsewhere = map[string]bool{"device": true}

// TestCorpus walks all of it.
func TestCorpus(t *testing.T) {
	directories, err := corpus.Kinds()
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, kind := range directories {
		if elsewhere[kind] {
			continue
		}
		do := kinds[kind]
		if do == nil {
			t.Errorf("directory %s: no kind of this name is registered", kind)
			continue
		}
		cases, err := corpus.Cases(kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			total++
			t.Run(c.Kind+"/"+c.Name, func(t *testing.T) { walk(t, c, do(t, c)) })
		}
	}
	if total < 150 {
		t.Errorf("only %d cases", total)
	}
}

func walk(t *testing.T, c corpus.Case, got string) {
	if !*update {
		if diff := cmp.Diff(c.Want, got); diff != "" {
			t.Error(diff)
		}
		return
	}
	raw, err := os.ReadFile(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Parse(raw)
	for i := range archive.Files {
		if archive.Files[i].Name == "want" {
			archive.Files[i].Data = []byte(got)
		}
	}
	if err := os.WriteFile(c.Path(), txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
