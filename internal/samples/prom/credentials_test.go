package prom

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCredentialsComeFromFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no Secret":             {nil, ""},
		"a token":               {map[string]string{"token": "Bearer abc\n"}, "Bearer abc"},
		"a name and a password": {map[string]string{"username": "ann\n", "password": " p w\n"}, "Basic YW5uOiBwIHc="},
		"both":                  {map[string]string{"token": "abc", "username": "ann", "password": "pw"}, "Bearer abc"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					t.Error("the credentials went to another host")
				}
			}))
			defer elsewhere.Close()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = append(got, r.Header.Get("Authorization"))
				http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
			}))
			defer server.Close()
			dir := t.TempDir()
			for file, text := range tc.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			source, err := New(server.URL, dir)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = source.api.Buildinfo(t.Context()) // the answer is none of Prometheus
			if diff := cmp.Diff([]string{tc.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
