package errcat

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestEntriesAreComplete(t *testing.T) {
	word := regexp.MustCompile(`^[A-Z][A-Za-z]+$`)
	before := ""
	for _, e := range Catalog {
		if !word.MatchString(e.Code) || e.Code <= before {
			t.Errorf("%q is no word, or not in order after %q", e.Code, before)
		}
		before = e.Code
		if e.Status != 0 && (http.StatusText(e.Status) == "" || e.Status < 400) {
			t.Errorf("%s: %d is no status of an error", e.Code, e.Status)
		}
		for what, text := range map[string]string{"cause": e.Cause, "remedy": e.Remedy} {
			if text == "" || hasChinese(text) {
				t.Errorf("%s: the English %s is %q", e.Code, what, text)
			}
		}
		for what, text := range map[string]string{"cause": e.CauseZH, "remedy": e.RemedyZH} {
			if !hasChinese(text) {
				t.Errorf("%s: the Chinese %s is %q", e.Code, what, text)
			}
		}
	}
}

func hasChinese(text string) bool {
	for _, r := range text {
		if unicode.Is(unicode.Han, r) {
			return true
		}
	}
	return false
}

// TestFilesAreMadeOfTheCatalog: documentation and translation have every code.
func TestFilesAreMadeOfTheCatalog(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		got, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not up to date, run go generate ./internal/errcat (-want +got):\n%s", path, diff)
		}
	}
}
