package server

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/internal/observe"
)

func TestSignInSetsASafeCookie(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	res, body := c.do("POST", "/api/v1/session", "", `{"token":" admin\n"}`)
	if res.StatusCode != http.StatusOK || !strings.Contains(body, `"user":"admin"`) {
		t.Fatalf("%s %s", res.Status, body)
	}
	cookie := res.Header.Get("Set-Cookie")
	for _, want := range []string{"__Host-edgeway=", "Path=/", "HttpOnly", "Secure", "SameSite=Strict"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie %q lacks %s", cookie, want)
		}
	}
	if strings.Contains(cookie, "admin") || strings.Contains(c.log.String(), `token`) {
		t.Error("the token left the server's memory")
	}
	if res.Header.Get("Content-Security-Policy") == "" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Error("security headers are missing")
	}
}

func TestSignInRefusals(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	for _, tc := range []struct {
		name, body, origin, code string
		status                   int
	}{
		{"wrong token", `{"token":"guess"}`, c.URL, "TokenRejected", 401},
		{"no token", `{"token":""}`, c.URL, "Invalid", 422},
		{"foreign page", `{"token":"admin"}`, "https://evil.example", "ForeignOrigin", 403},
		{"no origin", `{"token":"admin"}`, "", "ForeignOrigin", 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res, body := c.do("POST", "/api/v1/session", "", tc.body, func(r *http.Request) { r.Header.Set("Origin", tc.origin) })
			if res.StatusCode != tc.status || codeIn(t, body) != tc.code {
				t.Errorf("%s %s, want %d %s", res.Status, body, tc.status, tc.code)
			}
			if res.Header.Get("Set-Cookie") != "" {
				t.Error("a refused sign-in set a cookie")
			}
		})
	}
}

func TestSessionEnds(t *testing.T) {
	cluster := newFakeCluster(t)
	for name, tc := range map[string]struct {
		live func(c *console, cookie string)
		want int
	}{
		"used":                {func(c *console, _ string) { c.advance(29 * time.Minute) }, 200},
		"idle":                {func(c *console, _ string) { c.advance(31 * time.Minute) }, 401},
		"refreshing is idle":  {func(c *console, k string) { refresh(c, k, idleHeader) }, 401},
		"working is not idle": {func(c *console, k string) { refresh(c, k, "X-Other") }, 200},
		"too old": {func(c *console, k string) {
			for range 25 {
				c.advance(29 * time.Minute)
				c.do("GET", "/api/v1/session", k, "")
			}
		}, 401},
		"signed out": {func(c *console, k string) { c.do("DELETE", "/api/v1/session", k, "") }, 401},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConsole(t, cluster)
			cookie := c.signIn("admin")
			tc.live(c, cookie)
			if res, body := c.do("GET", "/api/v1/session", cookie, ""); res.StatusCode != tc.want {
				t.Errorf("%s %s, want %d", res.Status, body, tc.want)
			}
		})
	}
}

func refresh(c *console, cookie, header string) {
	for range 4 {
		c.advance(10 * time.Minute)
		c.do("GET", "/api/v1/session", cookie, "", func(r *http.Request) { r.Header.Set(header, "1") })
	}
}

// publicOperations answer without sign-in, and no other does.
var publicOperations = map[string]bool{
	"getHealth": true, "getVersion": true, "signIn": true, "getSignInMethods": true, "startOIDC": true, "finishOIDC": true,
	"joinLookup": true, "joinRedeem": true, "joinReport": true, "joinStatus": true, "joinInstaller": true, "joinEdgectl": true, "joinEdgecore": true,
}

// TestNothingWithoutSignIn walks the OpenAPI document.
func TestNothingWithoutSignIn(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	public := publicOperations
	seen := 0
	for path, methods := range documented(t, c.srv) {
		for method, operation := range methods {
			seen++
			concrete := concretePath(path)
			res, body := c.do(method, concrete, "", "{}")
			closed := res.StatusCode == http.StatusUnauthorized && strings.Contains(body, "SignInRequired")
			if closed == public[operation.OperationID] {
				t.Errorf("%s %s (%s) without sign-in: %s", method, concrete, operation.OperationID, res.Status)
			}
			if method == "GET" || public[operation.OperationID] {
				continue
			}
			res, body = c.do(method, concrete, c.signInOnce(), "{}", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") })
			if res.StatusCode != http.StatusForbidden || codeIn(t, body) != "ForeignOrigin" {
				t.Errorf("%s %s from a foreign page: %s", method, concrete, res.Status)
			}
		}
	}
	if seen < 30 {
		t.Errorf("walked %d operations, want all", seen)
	}
}

func (c *console) signInOnce() string {
	return c.srv.sessions.open("admin", nil, "admin").id
}

// TestStreamsNeedOwnOrigin walks the OpenAPI document: WebSockets and server-sent
// events are readable across origins unless the server looks.
func TestStreamsNeedOwnOrigin(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	cookie, seen := c.signIn("admin"), 0
	for path, methods := range documented(t, c.srv) {
		for method, o := range methods {
			if _, events := o.Responses["200"].Content["text/event-stream"]; !events && o.Responses["101"].Description == "" {
				continue
			}
			seen++
			for name, edit := range map[string]func(*http.Request){
				"without Origin": func(r *http.Request) { r.Header.Del("Origin") },
				"from elsewhere": func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
				"navigated to":   func(r *http.Request) { r.Header.Del("Origin"); r.Header.Set("Sec-Fetch-Site", "cross-site") },
			} {
				res, body := c.do(method, concretePath(path)+"?container=c", cookie, "", edit)
				if res.StatusCode != http.StatusForbidden || codeIn(t, body) != "ForeignOrigin" {
					t.Errorf("%s %s %s: %s", method, path, name, res.Status)
				}
			}
		}
	}
	if seen < 3 {
		t.Errorf("walked %d streams, want all", seen)
	}
}

// TestSignOutClosesEvents is TestSignOutClosesStreams for server-sent events.
func TestSignOutClosesEvents(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	cookie := c.signIn("admin")
	hold := make(chan struct{})
	defer close(hold)
	o, err := c.srv.operations.start("enable", "host", "host", "admin", func(context.Context, func(OperationStep)) error {
		<-hold
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", c.URL+"/api/v1/clusters/host/operations/"+o.state.ID+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", c.URL)
	req.AddCookie(&http.Cookie{Name: cookieName, Value: cookie})
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	events := bufio.NewReader(res.Body)
	if line, err := events.ReadString('\n'); err != nil || !strings.HasPrefix(line, "data: ") {
		t.Fatalf("first event %q, %v", line, err)
	}
	c.do("DELETE", "/api/v1/session", cookie, "")
	if _, err := io.Copy(io.Discard, events); err != nil { // or it hangs here
		t.Error(err)
	}
}

// TestContentSecurityPolicy: pages may load nothing from elsewhere.
func TestContentSecurityPolicy(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	for _, path := range []string{"/", "/assets/a.js", "/api/v1/version", "/api/v1/nope"} {
		res, _ := c.do("GET", path, "", "")
		policy := res.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: policy %q lacks %s", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || strings.Contains(policy, "*") {
			t.Errorf("%s: policy %q is loose", path, policy)
		}
	}
}

// TestOnlyAdminsChangeKubeEdge: the cluster's own answer decides.
func TestOnlyAdminsChangeKubeEdge(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	admin, viewer := c.signIn("admin"), c.signIn("viewer")
	_, defaults := c.do("GET", "/api/v1/clusters/host/kubeedge/defaults?serviceType=LoadBalancer", viewer, "")
	var d KubeEdgeDefaults
	if err := json.Unmarshal([]byte(defaults), &d); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(d.Settings)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct{ method, path string }{
		{"PUT", "/api/v1/clusters/host/kubeedge"}, {"POST", "/api/v1/clusters/host/kubeedge/plan"}, {"DELETE", "/api/v1/clusters/host/kubeedge"},
	} {
		res, answer := c.do(m.method, m.path, viewer, string(body))
		if res.StatusCode != http.StatusForbidden || codeIn(t, answer) != "ClusterAdminRequired" {
			t.Errorf("viewer: %s %s: %s %s", m.method, m.path, res.Status, answer)
		}
	}
	c.kubeEdge.hold = make(chan struct{})
	res, answer := c.do("PUT", "/api/v1/clusters/host/kubeedge", admin, string(body))
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("admin: %s %s", res.Status, answer)
	}
	if res, answer := c.do("PUT", "/api/v1/clusters/host/kubeedge", admin, string(body)); res.StatusCode != http.StatusConflict {
		t.Errorf("second change meanwhile: %s %s", res.Status, answer)
	}
	close(c.kubeEdge.hold)
	var o OperationState
	if err := json.Unmarshal([]byte(answer), &o); err != nil {
		t.Fatal(err)
	}
	_, events := c.do("GET", "/api/v1/clusters/host/operations/"+o.ID+"/events", admin, "")
	last := events[strings.LastIndex(strings.TrimSpace(events), "data: ")+6:]
	if err := json.Unmarshal([]byte(last), &o); err != nil {
		t.Fatalf("%v in %q", err, events)
	}
	if !o.Done || o.Error != nil || len(o.Steps) != 1 || o.Steps[0].State != StepDone {
		t.Errorf("last event: %+v", o)
	}
	if diff := cmp.Diff(d.Settings, c.kubeEdge.applied[0]); diff != "" {
		t.Errorf("settings changed on their way:\n%s", diff)
	}
	if res, _ := c.do("GET", "/api/v1/clusters/host/operations/"+o.ID, viewer, ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("someone else's operation: %s", res.Status)
	}
	for _, want := range []string{"operation=applyKubeEdge status=202", "user=viewer", "status=403"} {
		if !strings.Contains(c.log.String(), want) {
			t.Errorf("the audit log lacks %q:\n%s", want, c.log.String())
		}
	}
}

func TestNodesWithoutMetricsAreNotZero(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	_, body := c.do("GET", "/api/v1/clusters/host/nodes", c.signIn("viewer"), "")
	var list NodeList
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if len(list.Nodes) != 1 {
		t.Fatalf("got %s", body)
	}
	n := list.Nodes[0]
	if n.Usage.Available || n.Usage.Cause != observe.CauseNoMetricsAPI || n.Usage.CPUNanoCores != nil {
		t.Errorf("usage = %+v, want unavailable for want of the API", n.Usage)
	}
	if n.Pods != nil || list.PodsCause == "" {
		t.Errorf("pods = %+v, cause %q: want absent with its cause", n.Pods, list.PodsCause)
	}
	if n.Tunnel != observe.TunnelConnected || n.Address != "192.168.100.1" || n.State != "Ready" {
		t.Errorf("node = %+v", n)
	}
}

func TestUnknownClusterAndField(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	cookie := c.signIn("admin")
	if res, body := c.do("GET", "/api/v1/clusters/nope/nodes", cookie, ""); res.StatusCode != 404 || codeIn(t, body) != "NoSuchCluster" {
		t.Errorf("%s %s", res.Status, body)
	}
	_, body := c.do("PUT", "/api/v1/clusters/host/kubeedge", cookie, `{"serviceType":"Teapot"}`)
	var e Error
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Field == "" || len(e.Problems) == 0 {
		t.Errorf("bad settings: %s", body)
	}
}

// TestRepeatedKeysAreRefused: no body is half read, and nothing is asked of the cluster.
func TestRepeatedKeysAreRefused(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	cookie := c.signIn("admin")
	for _, tc := range []struct{ method, path, body, key string }{
		{"POST", "/api/v1/session", `{"token":"guess","token":"admin"}`, "token"},
		{"PUT", "/api/v1/clusters/host/kubeedge", `{"settings":{"cloudHub":{"nodeLimit":1,"nodeLimit":2}}}`, "settings.cloudHub.nodeLimit"},
		{"POST", "/api/v1/clusters/host/enrollments", `{"nodeName":"a","nodeName":"b"}`, "nodeName"},
		{"POST", "/api/v1/clusters/host/enrollments", `{"nodeName":"a"}{"nodeName":"b"}`, "after top-level value"},
	} {
		res, body := c.do(tc.method, tc.path, cookie, tc.body, func(r *http.Request) { r.Header.Set("Origin", c.URL) })
		if res.StatusCode != http.StatusBadRequest || codeIn(t, body) != "BadRequest" || !strings.Contains(body, tc.key) || strings.Contains(body, "admin") {
			t.Errorf("%s %s: %s %s", tc.path, tc.body, res.Status, body)
		}
	}
}

func TestUI(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	for path, want := range map[string]int{"/": 200, "/clusters/host/nodes": 200, "/assets/a.js": 200, "/assets/b.js": 404, "/api/v1/nope": 404} {
		res, body := c.do("GET", path, "", "")
		if res.StatusCode != want {
			t.Errorf("%s: %s", path, res.Status)
		}
		if want == 200 && !strings.HasPrefix(path, "/assets") && body != "<h1>console</h1>" {
			t.Errorf("%s: %q", path, body)
		}
	}
	res, body := c.do("GET", "/assets/a.js", "", "", func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") })
	if res.Header.Get("Content-Encoding") != "gzip" || len(body) > 1000 {
		t.Errorf("asset is not compressed: %d bytes", len(body))
	}
}

// TestDocumentIsCurrent: the web UI's client is generated from the committed document.
func TestDocumentIsCurrent(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	doc, err := c.srv.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile("../../web/src/api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal(doc, &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(committed, &got); err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(want, got) {
		t.Error("web/src/api/openapi.json is out of date; run web/generate.sh and look at its diff")
	}
}

type documentedOperation struct {
	OperationID string `json:"operationId"`
	Responses   map[string]struct {
		Description string         `json:"description"`
		Content     map[string]any `json:"content"`
	} `json:"responses"`
}

func documented(t *testing.T, s *Server) map[string]map[string]documentedOperation {
	t.Helper()
	raw, err := s.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]documentedOperation `json:"paths"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	for _, methods := range doc.Paths {
		for m, o := range methods {
			delete(methods, m)
			methods[strings.ToUpper(m)] = o
		}
	}
	return doc.Paths
}

func concretePath(path string) string {
	for strings.Contains(path, "{") {
		a, b := strings.Index(path, "{"), strings.Index(path, "}")
		path = path[:a] + "host" + path[b+1:]
	}
	return path
}
