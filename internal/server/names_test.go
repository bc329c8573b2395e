package server

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPastedTokens(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"
	f := newFakeCluster(t)
	f.user = func(got string) string {
		if got == token {
			return "jane"
		}
		return ""
	}
	for name, tc := range map[string]struct {
		pasted, code string
		status       int
	}{
		"as it is":          {token, "", 200},
		"a line break":      {token[:9] + "\n" + token[9:], "", 200},
		"with Bearer":       {"Bearer " + token, "", 200},
		"a header":          {"Authorization: Bearer " + token + "\r\n", "", 200},
		"blanks and quotes": {` "` + token[:20] + " " + token[20:] + `" `, "", 200},
		"blanks alone":      {" \n\t", "TokenRejected", 401},
		"Bearer alone":      {"Bearer ", "TokenRejected", 401},
		"another token":     {"Bearer guess\nagain", "TokenRejected", 401},
		"a sentence":        {"please let me in", "TokenRejected", 401},
		"no ASCII":          {"令牌", "TokenRejected", 401},
		"a control sign":    {"a\x00b", "TokenRejected", 401},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConsole(t, f)
			res, body := c.do("POST", "/api/v1/session", "", string(mustJSON(t, SignIn{Token: tc.pasted})))
			if res.StatusCode != tc.status || tc.code != "" && codeIn(t, body) != tc.code {
				t.Errorf("%s %s, want %d %s", res.Status, body, tc.status, tc.code)
			}
		})
	}
}

// TestBadNamesAreTheCallersMistake: a name that no object can have is refused with its
// field, and no request for it reaches the cluster.
func TestBadNamesAreTheCallersMistake(t *testing.T) {
	f := newFakeCluster(t)
	var mu sync.Mutex
	var asked []string
	f.watch = func(r *http.Request, _ string) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.URL.EscapedPath())
	}
	c := newConsole(t, f)
	cookie := c.signIn("admin")
	mu.Lock()
	asked = nil
	mu.Unlock()
	for _, tc := range []struct{ method, path, field string }{
		{"GET", "/nodes/..%2f..%2f..%2f..%2fapi%2fv1%2fsecrets/samples", "node"},
		{"GET", "/nodes/..%252f..%252fsecrets", "node"},
		{"GET", "/nodes/%2e%2e/metrics", "node"},
		{"GET", "/nodes/a,metadata.name=b", "node"},
		{"GET", "/nodes/Upper/events", "node"},
		{"PATCH", "/nodes/a%20b/scheduling", "node"},
		{"GET", "/pods/web/..%2f..%2fsecrets/samples", "pod"},
		{"GET", "/pods/a.b/p", "namespace"},
		{"GET", "/pods/..%2fx/p/yaml", "namespace"},
		{"DELETE", "/pods/web/p_1", "pod"},
		{"GET", "/pods?node=a,spec.host=b", "node"},
		{"GET", "/pods?namespace=Web", "namespace"},
		{"GET", "/pods/web/p/logs?container=C", "container"},
		{"GET", "/pods/web/p/logs/stream?container=c,..", "container"},
		{"GET", "/pods/web/p/terminal?container=..%2fx", "container"},
		{"GET", "/logs/web_1?selector=a", "namespace"},
		{"GET", "/enrollments/E%2f..", "enrollment"},
	} {
		res, body := c.do(tc.method, "/api/v1/clusters/host"+tc.path, cookie, map[bool]string{true: "{}"}[tc.method == "PATCH"])
		if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `"field":"`+tc.field+`"`) || !strings.Contains(body, `"remedy":"`) {
			t.Errorf("%s %s: %s %s, want 422 for %s", tc.method, tc.path, res.Status, body, tc.field)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]string(nil), asked); diff != "" {
		t.Errorf("the cluster was asked: %s", diff)
	}
}

// TestEveryNameHasARule walks the OpenAPI document.
func TestEveryNameHasARule(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	seen := 0
	for _, item := range c.srv.api.OpenAPI().Paths {
		for _, op := range operationsOf(item) {
			if flagged(op, metaDevice) {
				continue
			}
			for _, p := range op.Parameters {
				if p.In != "path" {
					continue
				}
				seen++
				if _, ok := nameRules[p.Name]; !ok && !freeNames[p.Name] {
					t.Errorf("%s: no rule says what {%s} may be", op.OperationID, p.Name)
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("walked %d parameters, want all", seen)
	}
}

// TestNodeNamesAreOneTerm: a name must not add a term to a field selector.
func TestNodeNamesAreOneTerm(t *testing.T) {
	for node, want := range map[string]string{"a,b=c": `spec.nodeName=a\,b\=c`, "edge-1": "spec.nodeName=edge-1"} {
		if got := podsOfNode(node); got != want {
			t.Errorf("selector %s, want %s", got, want)
		}
	}
}
