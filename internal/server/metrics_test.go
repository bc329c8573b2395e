package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/edgeway-io/edgeway/internal/observe"
	"github.com/edgeway-io/edgeway/internal/samples"
)

// The console asks with the user's own token, and what the cluster refuses is refused.
func TestSamplesAreReadAsTheUser(t *testing.T) {
	cluster := newFakeCluster(t)
	for _, path := range []string{"/nodes", "/nodes/edge-1", "/pods", "/namespaces/shop/pods/web-1"} {
		cluster.mux.HandleFunc("GET "+samples.Path+path, func(w http.ResponseWriter, r *http.Request) {
			if tokenOf(r) == "viewer" {
				status(w, http.StatusForbidden, "Forbidden")
				return
			}
			reply(w, map[string]any{"state": map[string]any{"available": true}, "message": r.URL.Query().Get("sinceSeconds")})
		})
	}
	c := newConsole(t, cluster)
	admin, viewer := c.signIn("admin"), c.signIn("viewer")
	for _, path := range []string{"/metrics/trends", "/nodes/edge-1/samples", "/metrics/containers", "/pods/shop/web-1/samples"} {
		path = "/api/v1/clusters/host" + path
		for _, past := range []string{"", "?sinceSeconds=900"} {
			if res, body := c.do("GET", path+past, admin, ""); res.StatusCode != http.StatusOK {
				t.Errorf("admin: %s%s: %s %s", path, past, res.Status, body)
			}
			if res, body := c.do("GET", path+past, viewer, ""); res.StatusCode != http.StatusForbidden || codeIn(t, body) != "Forbidden" {
				t.Errorf("viewer: %s%s: %s %s", path, past, res.Status, body)
			}
		}
	}
	if _, body := c.do("GET", "/api/v1/clusters/host/metrics/trends?sinceSeconds=900", admin, ""); !strings.Contains(body, `"message":"900"`) {
		t.Errorf("the range did not arrive: %s", body)
	}
	if res, _ := c.do("GET", "/api/v1/clusters/host/nodes/edge-1/samples?sinceSeconds=-1", admin, ""); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a range of -1: %s", res.Status)
	}
}

// Where nobody serves samples the page says so; that is no failure and no zero.
func TestSamplesThatNobodyServes(t *testing.T) {
	down := newFakeCluster(t)
	down.mux.HandleFunc("GET "+samples.Path+"/", func(w http.ResponseWriter, _ *http.Request) {
		status(w, http.StatusServiceUnavailable, "ServiceUnavailable")
	})
	for name, cluster := range map[string]*fakeCluster{"not enabled": newFakeCluster(t), "not ready": down} {
		c := newConsole(t, cluster)
		cookie := c.signIn("admin")
		res, body := c.do("GET", "/api/v1/clusters/host/nodes/edge-1/samples", cookie, "")
		var got samples.NodeSamples
		if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %s", name, res.Status, body)
		}
		if got.State.Available || got.State.Cause != observe.CauseNoSamplesAPI || len(got.Node.Recent) != 0 {
			t.Errorf("%s: %+v", name, got.State)
		}
	}
}

// A thousand edge nodes are a few lists, not a request per node.
func TestAThousandNodesWithUsage(t *testing.T) {
	const count = 1000
	cluster := newFakeCluster(t)
	var nodes, usages []any
	for i := range count {
		name := fmt.Sprintf("edge-%04d", i)
		nodes = append(nodes, map[string]any{"metadata": map[string]any{"name": name, "labels": map[string]string{"node-role.kubernetes.io/edge": ""}}})
		usages = append(usages, map[string]any{"metadata": map[string]any{"name": name}, "timestamp": "2026-01-02T03:04:05Z", "window": "15s",
			"usage": map[string]string{"cpu": fmt.Sprintf("%dn", i+1), "memory": "1Mi"}})
	}
	var requests atomic.Int32
	known := cluster.Config.Handler
	cluster.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		switch {
		case r.URL.Query().Get("watch") != "":
			known.ServeHTTP(w, r)
		case r.URL.Path == "/api/v1/nodes":
			reply(w, map[string]any{"kind": "NodeList", "apiVersion": "v1", "items": nodes})
		case r.URL.Path == "/apis/metrics.k8s.io/v1beta1/nodes":
			reply(w, map[string]any{"kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "items": usages})
		default:
			known.ServeHTTP(w, r)
		}
	})
	c := newConsole(t, cluster)
	cookie := c.signIn("admin")
	before := requests.Load()
	res, body := c.do("GET", "/api/v1/clusters/host/nodes", cookie, "")
	var list NodeList
	if err := json.Unmarshal([]byte(body), &list); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", res.Status, err)
	}
	if len(list.Nodes) != count {
		t.Fatalf("%d nodes", len(list.Nodes))
	}
	for i, n := range list.Nodes {
		if !n.Usage.Available || n.Usage.CPUNanoCores == nil || *n.Usage.CPUNanoCores != int64(i+1) {
			t.Fatalf("node %s: %+v", n.Name, n.Usage)
		}
	}
	// Four lists, and what two watches try before they give up.
	if n := requests.Load() - before; n > 4+2*3 {
		t.Errorf("%d requests for one list", n)
	}
}

func TestSelectorsAreChecked(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	cookie := c.signIn("admin")
	for _, path := range []string{"/metrics/nodes", "/metrics/pods"} {
		res, body := c.do("GET", "/api/v1/clusters/host"+path+"?selector=a%3D%3D%3Db", cookie, "")
		if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `"field":"selector"`) {
			t.Errorf("%s: %s %s", path, res.Status, body)
		}
	}
}
