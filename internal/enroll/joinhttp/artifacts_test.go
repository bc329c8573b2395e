package joinhttp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBundleSourcesAreWhatTheDirectoryHolds(t *testing.T) {
	for name, test := range map[string]struct {
		files []string
		want  map[string]int64
	}{
		"everything":       {[]string{"edgectl-arm64", "edgecore-arm64", "images-arm64.tar"}, map[string]int64{"edgectl": 0o755, "edgecore": 0o755, "images/edgeway.tar": 0o644}},
		"edgectl alone":    {[]string{"edgectl-arm64"}, map[string]int64{"edgectl": 0o755}},
		"nothing to run":   {[]string{"edgecore-arm64", "images-arm64.tar"}, map[string]int64{}},
		"another platform": {[]string{"edgectl-amd64", "images-amd64.tar"}, map[string]int64{}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range test.files {
				if err := os.WriteFile(filepath.Join(dir, f), []byte(f), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			a, err := LoadArtifacts(dir)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int64{}
			for _, s := range a.BundleSources("arm64") {
				got[s.Name] = s.Mode
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestABadArtifactIsNamedAndLeftOut: the console serves the others.
func TestABadArtifactIsNamedAndLeftOut(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "edgectl-arm64"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "edgectl-amd64"), 0o700); err != nil {
		t.Fatal(err)
	}
	a, err := LoadArtifacts(dir)
	if err != nil {
		t.Fatal(err)
	}
	if a.EdgectlSHA256("arm64") == "" || a.EdgectlSHA256("amd64") != "" {
		t.Error("the good file is left out, or the bad one is not")
	}
	if p := a.Problems(); len(p) != 1 || !strings.Contains(p[0].Error(), "edgectl-amd64") {
		t.Errorf("problems: %v", p)
	}
	if _, err := LoadArtifacts(filepath.Join(dir, "none")); err == nil {
		t.Error("a missing directory is accepted")
	}
}
