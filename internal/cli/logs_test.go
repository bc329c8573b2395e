package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cluster is a kube-apiserver with one pod of two containers, and a kubeconfig for it.
func cluster(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/default/pods/p", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"default"},"spec":{"nodeName":"n","restartPolicy":"Never","containers":[{"name":"a"},{"name":"b"}]}}`)
	})
	mux.HandleFunc("GET /api/v1/namespaces/default/pods/p/log", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("limitBytes") != "" {
			fmt.Fprint(w, "a")
			return
		}
		for i := range 2 {
			if q.Get("timestamps") == "true" {
				fmt.Fprintf(w, "2026-01-02T03:04:0%d.00000000%sZ ", i, map[string]string{"a": "1", "b": "2"}[q.Get("container")])
			}
			fmt.Fprintf(w, "%s %d \xff\x00\n", q.Get("container"), i)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	config := "apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters: [{name: x, cluster: {server: '" + s.URL + "'}}]\ncontexts: [{name: x, context: {cluster: x}}]\n"
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLogs(t *testing.T) {
	kubeconfig := cluster(t)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"one":        {[]string{"p", "-c", "a"}, "a 0 \xff\x00\na 1 \xff\x00\n"},
		"timestamps": {[]string{"pod/p", "-c", "b", "--timestamps"}, "2026-01-02T03:04:00.000000002Z b 0 \xff\x00\n2026-01-02T03:04:01.000000002Z b 1 \xff\x00\n"},
		"merged":     {[]string{"p", "--all-containers"}, "[p/a] a 0 \xff\x00\n[p/b] b 0 \xff\x00\n[p/a] a 1 \xff\x00\n[p/b] b 1 \xff\x00\n"},
		"no prefix":  {[]string{"p", "--all-containers", "--no-prefix"}, "a 0 \xff\x00\nb 0 \xff\x00\na 1 \xff\x00\nb 1 \xff\x00\n"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := run(t, append([]string{"logs", "--kubeconfig", kubeconfig}, c.args...)...)
			if code != ExitOK || !bytes.Equal([]byte(out), []byte(c.want)) {
				t.Errorf("exit %d, %q, %s; want %q", code, out, errs, c.want)
			}
		})
	}
}

func TestLogsUsage(t *testing.T) {
	kubeconfig := cluster(t)
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "give one pod"},
		{[]string{"p", "-l", "app=x"}, "give one pod"},
		{[]string{"p", "q"}, "give one pod"},
		{[]string{"p"}, "choose one with --container"},
		{[]string{"p", "--tail", "-2"}, "--tail -2"},
		{[]string{"p", "--since", "-1m"}, "--since"},
		{[]string{"p", "--since", "1m", "--since-time", "2026-01-02T03:04:05Z"}, "give one of them"},
		{[]string{"p", "--since-time", "yesterday"}, "2026-01-02T15:04:05Z"},
		{[]string{"p", "-f", "--previous"}, "leave one out"},
		{[]string{"p", "-c", "a", "--all-containers"}, "give one of them"},
		{[]string{"-l", "app in"}, "--selector"},
		{[]string{"Service/x"}, "choose a Deployment"},
	} {
		code, _, errs := run(t, append([]string{"logs", "--kubeconfig", kubeconfig}, c.args...)...)
		if code != ExitBadInput || !strings.Contains(errs, c.says) {
			t.Errorf("%v: exit %d, %q; want %d and %q", c.args, code, errs, ExitBadInput, c.says)
		}
	}
}
