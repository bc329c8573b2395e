package server

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgeway-io/edgeway/internal/clusters"
)

// members is a finder of Secrets.
type members []clusters.Member

func (m members) Source() clusters.Source                         { return clusters.SourceSecret }
func (m members) Find(context.Context) ([]clusters.Member, error) { return m, nil }

// memberOf is a member cluster at a TLS server.
func memberOf(t *testing.T, name string, server *httptest.Server) clusters.Member {
	t.Helper()
	config := api.NewConfig()
	config.CurrentContext = name
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	config.Clusters[name] = &api.Cluster{Server: server.URL, CertificateAuthorityData: ca}
	config.AuthInfos[name] = &api.AuthInfo{Token: "stored"}
	config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	raw, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	return clusters.Member{Name: name, Kubeconfig: raw}
}

func withMembers(t *testing.T, m ...clusters.Member) func(*Config) {
	return func(cfg *Config) {
		registry := clusters.NewRegistry(cfg.Clusters.(*clusters.Kubeconfig), cfg.Log, members(m))
		registry.Refresh(t.Context())
		cfg.Clusters = registry
	}
}

func (c *console) clusters(cookie string) map[string]ClusterOverview {
	c.t.Helper()
	_, body := c.do("GET", "/api/v1/clusters", cookie, "")
	var list []ClusterOverview
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		c.t.Fatalf("%v in %s", err, body)
	}
	out := map[string]ClusterOverview{}
	for _, one := range list {
		out[one.Name] = one
	}
	return out
}

// TestMembersNeedTheirRight: who may not use a member does not learn that it is there,
// and who may acts on it under his own name.
func TestMembersNeedTheirRight(t *testing.T) {
	var mu sync.Mutex
	var seen []http.Header
	member := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Header.Clone())
		mu.Unlock()
		reply(w, map[string]any{"kind": "NodeList", "apiVersion": "v1", "items": []any{}})
	}))
	t.Cleanup(member.Close)
	host := newFakeCluster(t)
	var asked []string
	host.mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { reply(w, map[string]any{"gitVersion": "v1.36.3"}) })
	c := newConsole(t, host, withMembers(t, memberOf(t, "west", member), clusters.Member{Name: "broken", Kubeconfig: []byte("no")}))
	host.watch = func(r *http.Request, body string) {
		if strings.HasSuffix(r.URL.Path, "selfsubjectaccessreviews") {
			mu.Lock()
			asked = append(asked, body)
			mu.Unlock()
		}
	}
	viewer, admin := c.signIn("viewer"), c.signIn("admin")

	if list := c.clusters(viewer); len(list) != 1 {
		t.Errorf("the viewer sees %v", list)
	}
	for _, name := range []string{"west", "broken", "nope"} {
		if res, body := c.do("GET", "/api/v1/clusters/"+name+"/nodes", viewer, ""); res.StatusCode != 404 || codeIn(t, body) != "NoSuchCluster" {
			t.Errorf("viewer on %s: %s %s", name, res.Status, body)
		}
	}
	if len(seen) != 0 {
		t.Error("the member was asked for somebody who may not use it")
	}
	if !slices.ContainsFunc(asked, func(s string) bool {
		// In protobuf every text follows its length.
		return strings.Contains(s, "\x03use") && strings.Contains(s, "\nedgeway.io") && strings.Contains(s, "\x0ememberclusters") && strings.Contains(s, "\x04west")
	}) {
		t.Errorf("the host was asked %q", asked)
	}
	if res, body := c.do("GET", "/api/v1/clusters/west/nodes", admin, ""); res.StatusCode != 200 {
		t.Errorf("admin: %s %s", res.Status, body)
	}
	for _, h := range seen {
		if h.Get("Impersonate-User") != "admin" || !slices.Equal(h.Values("Impersonate-Group"), []string{"people"}) || h.Get("Authorization") != "Bearer stored" {
			t.Errorf("headers on the member: %v", h)
		}
	}
	if list := c.clusters(admin); list["broken"].Cause == nil || list["broken"].Cause.Code != "KubeconfigRefused" {
		t.Errorf("admin sees %+v", list)
	}
}

// TestUnreachableMembersDelayNobody: a cluster that takes connections and never
// answers, a dozen times.
func TestUnreachableMembersDelayNobody(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mute.Close() })
	host := newFakeCluster(t)
	host.mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { reply(w, map[string]any{"gitVersion": "v1.36.3"}) })
	c := newConsole(t, host, func(cfg *Config) {
		servers := map[string]string{"host": host.URL}
		for _, name := range strings.Split("abcdefghijkl", "") {
			servers[name] = "http://" + mute.Addr().String()
		}
		cfg.Clusters = contexts(t, servers)
	})
	cookie := c.signIn("admin")
	for answered := false; !answered; {
		list := c.clusters(cookie)
		answered = list["host"].Reachable
		if answered && (list["host"].CloudNodes == nil || list["host"].KubeEdge == "") {
			t.Errorf("the host is incomplete: %+v", list["host"])
		}
		if answered && list["a"].Cause == nil && !list["a"].Pending {
			t.Errorf("a cluster that never answered: %+v", list["a"])
		}
		if t.Context().Err() != nil {
			t.Fatal("the list waits for clusters that are down")
		}
	}
	for {
		list := c.clusters(cookie)
		if a := list["a"]; !a.Pending {
			if a.Reachable || a.Cause == nil || a.Cause.Code != "ClusterTimeout" {
				t.Errorf("after the limit: %+v", a)
			}
			break
		}
		if !list["host"].Reachable {
			t.Fatalf("the host went away: %+v", list["host"])
		}
		time.Sleep(100 * time.Millisecond)
	}
}
