package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

// joinCluster is a kube-apiserver with one enrollment, of node NAME-node, or without
// our API types when name is empty. It counts requests that are not the redeemer's.
func joinCluster(t *testing.T, name, code string, strangers *atomic.Int32) *httptest.Server {
	t.Helper()
	const group = "/apis/edgeway.io/v1alpha1"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"kind": "APIVersions", "versions": []string{"v1"}})
	})
	groups := []any{}
	if name != "" {
		version := map[string]string{"groupVersion": "edgeway.io/v1alpha1", "version": "v1alpha1"}
		groups = append(groups, map[string]any{"name": "edgeway.io", "versions": []any{version}, "preferredVersion": version})
	}
	mux.HandleFunc("GET /apis", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
	})
	enrollment := map[string]any{
		"kind": "EdgeEnrollment", "apiVersion": "edgeway.io/v1alpha1",
		"metadata": map[string]any{"name": "device", "namespace": "edgeway-join", "creationTimestamp": time.Now().Format(time.RFC3339)},
		"spec":     map[string]any{"nodeName": name + "-node", "codeHash": enroll.HashCode(code)},
	}
	if name != "" {
		mux.HandleFunc("GET "+group, func(w http.ResponseWriter, _ *http.Request) {
			reply(w, map[string]any{"kind": "APIResourceList", "groupVersion": "edgeway.io/v1alpha1", "resources": []any{
				map[string]any{"name": "edgeenrollments", "singularName": "edgeenrollment", "namespaced": true, "kind": "EdgeEnrollment", "verbs": []string{"get", "list"}},
			}})
		})
		mux.HandleFunc("GET "+group+"/namespaces/edgeway-join/edgeenrollments", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, map[string]any{"kind": "EdgeEnrollmentList", "apiVersion": "edgeway.io/v1alpha1", "metadata": map[string]any{}, "items": []any{enrollment}})
		})
		mux.HandleFunc("GET "+group+"/namespaces/edgeway-join/edgeenrollments/device", func(w http.ResponseWriter, _ *http.Request) { reply(w, enrollment) })
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Impersonate-User") != "system:serviceaccount:edgeway-join:edgeway-redeemer" {
			strangers.Add(1)
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func redeemers(t *testing.T, all *clusters.Kubeconfig) *Redeemers {
	t.Helper()
	config, err := all.Config("host")
	if err != nil {
		t.Fatal(err)
	}
	host, err := NewObjectClient(config)
	if err != nil {
		t.Fatal(err)
	}
	return NewRedeemers(enroll.NewRedeemer(host, time.Now), all)
}

// TestCodesOfMembers: a code is redeemed where it was made, whichever cluster that is,
// as the member's redeemer and nobody else.
func TestCodesOfMembers(t *testing.T) {
	var onHost, onMembers atomic.Int32
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	all := map[string]string{
		"host":  joinCluster(t, "host", "HOSTCODE", &onHost).URL,
		"west":  joinCluster(t, "west", "WESTCODE", &onMembers).URL,
		"plain": joinCluster(t, "", "", &onMembers).URL,
	}
	r := redeemers(t, contexts(t, all))
	for code, node := range map[string]string{"HOSTCODE": "host-node", "WESTCODE": "west-node"} {
		if spec, err := r.Lookup(t.Context(), code); err != nil || spec.NodeName != node {
			t.Errorf("%s: %v, %v; want %s", code, spec, err, node)
		}
	}
	if _, err := r.Lookup(t.Context(), "NOBODYS"); !errors.Is(err, enroll.ErrCodeUnknown) {
		t.Errorf("a code that no cluster knows: %v", err)
	}
	if err := r.Report(t.Context(), wire.ReportRequest{Code: "NOBODYS", Message: "x"}); !errors.Is(err, enroll.ErrCodeUnknown) {
		t.Errorf("a report with a code that no cluster knows: %v", err)
	}
	if n := onMembers.Load(); n != 0 {
		t.Errorf("members got %d requests that were not their redeemer's", n)
	}
	if onHost.Load() == 0 {
		t.Error("the host's redeemer is the console's own ServiceAccount, but somebody was impersonated there")
	}

	all["silent"] = silent.URL
	r = redeemers(t, contexts(t, all))
	begin := time.Now()
	if spec, err := r.Lookup(t.Context(), "WESTCODE"); err != nil || spec.NodeName != "west-node" || time.Since(begin) >= memberPatience {
		t.Errorf("with a silent cluster beside it: %v, %v after %s", spec, err, time.Since(begin))
	}
	if _, err := r.Lookup(t.Context(), "NOBODYS"); err == nil || errors.Is(err, enroll.ErrCodeUnknown) {
		t.Errorf("a code is called unknown although one cluster was not heard: %v", err)
	}
}

// TestStatusTokensOfMembers: the token says which cluster it is of.
func TestStatusTokensOfMembers(t *testing.T) {
	var n atomic.Int32
	r := redeemers(t, contexts(t, map[string]string{
		"host": joinCluster(t, "host", "A", &n).URL, "a@b/c": joinCluster(t, "west", "B", &n).URL,
	}))
	for _, token := range []string{"device/SECRET", "a%40b%2Fc@device/SECRET", "nobody@device/SECRET", "host@device/SECRET", "%@device/SECRET", "@", ""} {
		if _, err := r.Status(t.Context(), token); !errors.Is(err, enroll.ErrStatusToken) {
			t.Errorf("%q: %v; no enrollment has that hash", token, err)
		}
	}
	n.Store(0)
	if _, err := r.Status(t.Context(), "a%40b%2Fc@device/SECRET"); err == nil || n.Load() != 0 {
		t.Errorf("the host was asked for a member's token (%d times), %v", n.Load(), err)
	}
}
