package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// servers are two kube-apiservers that answer with the log of pod p in any namespace, and
// count what they are asked.
type servers struct {
	a, b  *httptest.Server
	asked atomic.Int64
}

func newServers(t *testing.T) *servers {
	t.Helper()
	s := &servers{}
	serve := func(name string) *httptest.Server {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /api/v1/namespaces/{ns}/pods/p", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":%q},"spec":{"containers":[{"name":"c"}]}}`, r.PathValue("ns"))
		})
		mux.HandleFunc("GET /api/v1/namespaces/{ns}/pods/p/log", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("limitBytes") != "" {
				fmt.Fprint(w, name[:1])
			} else {
				fmt.Fprintf(w, "%s %s\n", name, r.PathValue("ns"))
			}
		})
		mux.HandleFunc("GET /apis/metrics.k8s.io/v1beta1/namespaces/{ns}/pods", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","items":[{"metadata":{"name":%q,"namespace":%q},"timestamp":"2026-01-02T03:04:05Z","window":"10s","containers":[]}]}`,
				name, r.PathValue("ns"))
		})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.asked.Add(1)
			mux.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		return server
	}
	s.a, s.b = serve("a"), serve("b")
	return s
}

// kubeconfig has contexts alpha (namespace shop), beta and broken, whose cluster is gone.
func (s *servers) kubeconfig(t *testing.T, current string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- {name: a, cluster: {server: %q}}
- {name: b, cluster: {server: %q}}
users: [{name: u, user: {token: s3cret}}]
contexts:
- {name: alpha, context: {cluster: a, user: u, namespace: shop}}
- {name: beta, context: {cluster: b, user: u}}
- {name: broken, context: {cluster: gone, user: u}}
%s
`, s.a.URL, s.b.URL, current)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNoCommandGuessesACluster: without a context nothing is sent anywhere.
func TestNoCommandGuessesACluster(t *testing.T) {
	s := newServers(t)
	for _, current := range []string{"", "current-context: gamma", `current-context: ""`} {
		kubeconfig := s.kubeconfig(t, current)
		for _, command := range []string{"status", "plan", "enable", "configure --set ha=true", "disable", "logs p", "top nodes", "top pods", "top containers",
			"nodes list", "nodes cordon n", "nodes uncordon n", "nodes label n a=b", "nodes taint n a:NoSchedule", "nodes leave n", "nodes join n",
			"console", "status --cluster west --member-secrets default"} {
			code, _, errs := run(t, append(strings.Fields(command), "--kubeconfig", kubeconfig)...)
			if code != ExitBadInput || !strings.Contains(errs, "current context") || !strings.Contains(errs, "--context") {
				t.Errorf("%s with %q: exit %d, %s", command, current, code, errs)
			}
		}
	}
	if n := s.asked.Load(); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestContextAndNamespaceMeanWhatTheyDoInKubectl(t *testing.T) {
	s := newServers(t)
	kubeconfig := s.kubeconfig(t, "current-context: alpha")
	none := s.kubeconfig(t, "")
	for _, tc := range []struct {
		args string
		want string
	}{
		{"logs p --kubeconfig " + kubeconfig, "a shop"},
		{"logs p -n web --kubeconfig " + kubeconfig, "a web"},
		{"logs p --context beta --kubeconfig " + kubeconfig, "b default"},
		{"logs p --context beta --namespace web --kubeconfig " + kubeconfig, "b web"},
		{"logs p --cluster beta --kubeconfig " + kubeconfig, "b default"},
		{"logs p --context beta --cluster alpha --kubeconfig " + kubeconfig, "a shop"},
		{"logs p --context alpha --kubeconfig " + none, "a shop"},
		{"logs p --cluster alpha --kubeconfig " + none, "a shop"},
		{"top pods --kubeconfig " + kubeconfig, "shop a"},
		{"top pods --context beta --kubeconfig " + kubeconfig, "default b"},
		{"top pods -n web --kubeconfig " + kubeconfig, "web a"},
	} {
		code, out, errs := run(t, strings.Fields(tc.args)...)
		if words := strings.Join(strings.Fields(out), " "); code != ExitOK || !strings.Contains(words, tc.want) {
			t.Errorf("%s: exit %d, %q, %s; want %q", tc.args, code, out, errs, tc.want)
		}
	}
	for _, tc := range []struct {
		args string
		code int
		says string
	}{
		{"logs p --context gamma", ExitBadInput, "known: alpha, beta, broken"},
		{"logs p --cluster gamma", ExitBadInput, "known: alpha, beta, broken"},
		{"logs p --context broken", ExitFailed, `cluster "gone", which is not there`},
	} {
		code, _, errs := run(t, append(strings.Fields(tc.args), "--kubeconfig", kubeconfig)...)
		if code != tc.code || !strings.Contains(errs, tc.says) {
			t.Errorf("%s: exit %d, %s; want %d and %q", tc.args, code, errs, tc.code, tc.says)
		}
	}
}

func TestClustersAreListedWithWhatIsWrong(t *testing.T) {
	s := newServers(t)
	code, out, errs := run(t, "clusters", "--kubeconfig", s.kubeconfig(t, "current-context: alpha"), "-o", "json")
	var rows []clusterRow
	if err := json.Unmarshal([]byte(out), &rows); code != ExitOK || err != nil || len(rows) != 3 {
		t.Fatalf("exit %d, %s%s", code, out, errs)
	}
	if r := rows[0]; r.Name != "alpha" || !r.Current || r.Namespace != "shop" || r.Server != s.a.URL || r.Problem != "" {
		t.Errorf("%+v", r)
	}
	if r := rows[1]; r.Name != "beta" || r.Current || r.Namespace != "default" || r.Problem != "" {
		t.Errorf("%+v", r)
	}
	if r := rows[2]; r.Name != "broken" || r.Server != "" || !strings.Contains(r.Problem, "which is not there") {
		t.Errorf("%+v", r)
	}
	// A list is possible without a current context, which it shows.
	code, out, errs = run(t, "clusters", "--kubeconfig", s.kubeconfig(t, ""))
	if code != ExitOK || strings.Contains(out, "*") || strings.Count(out, "\n") != 4 {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	if n := s.asked.Load(); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}
