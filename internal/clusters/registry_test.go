package clusters

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"
)

func certificatePEM(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// found is a Finder whose answer the test changes.
type found struct {
	source  Source
	members []Member
	err     error
}

func (f *found) Source() Source                         { return f.source }
func (f *found) Find(context.Context) ([]Member, error) { return f.members, f.err }

func names(list []Cluster) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.Name+" "+string(c.Source))
	}
	return out
}

func TestRegistry(t *testing.T) {
	good := memberKubeconfig(t, nil)
	secrets := &found{source: SourceSecret, members: []Member{{Name: "mine", Kubeconfig: good}, {Name: "west", Kubeconfig: good}}}
	sphere := &found{source: SourceKubeSphere, members: []Member{{Name: "mine", Kubeconfig: good}, {Name: "theirs", Kubeconfig: []byte("no")}}}
	var log strings.Builder
	r := NewRegistry(open(t, twoClusters()), slog.New(slog.NewTextHandler(&log, nil)), secrets, sphere)
	r.Refresh(t.Context())

	want := []string{"east Context", "mine Secret", "theirs KubeSphere", "west Context"}
	if diff := cmp.Diff(want, names(r.List())); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(log.String(), "name is taken"); n != 2 {
		t.Errorf("%d clashes of names were told, want 2:\n%s", n, &log)
	}
	config, err := r.ForUser("mine", User{Name: "ann", Groups: []string{"ops", "system:masters"}, Token: "hers"})
	if err != nil {
		t.Fatal(err)
	}
	wantAs := rest.ImpersonationConfig{UserName: "ann", Groups: []string{"ops"}}
	if diff := cmp.Diff(wantAs, config.Impersonate); diff != "" || config.BearerToken != "s3cret" {
		t.Errorf("member: token %q, impersonation %s", config.BearerToken, diff)
	}
	if _, err := r.ForUser("mine", User{Name: "system:admin"}); !errors.Is(err, ErrSystemUser) {
		t.Errorf("system user on a member: %v", err)
	}
	if _, err := r.ForUser("theirs", User{Name: "ann"}); !errors.Is(err, ErrRefused) {
		t.Errorf("refused kubeconfig: %v", err)
	}
	if host, err := r.ForUser("east", User{Name: "ann", Token: "hers"}); err != nil || host.BearerToken != "hers" {
		t.Errorf("host: %v %v", host, err)
	}
	if c, err := r.Get("mine"); err != nil || !c.Guarded || c.Host {
		t.Errorf("mine = %+v, %v: want guarded", c, err)
	}
	if _, err := r.Get("nope"); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown: %v", err)
	}
}

func TestRegistryFollowsChanges(t *testing.T) {
	secrets := &found{source: SourceSecret, members: []Member{{Name: "m", Kubeconfig: memberKubeconfig(t, nil)}}}
	r := NewRegistry(open(t, twoClusters()), slog.New(slog.DiscardHandler), secrets)
	r.Refresh(t.Context())
	before, err := r.Get("m")
	if err != nil {
		t.Fatal(err)
	}
	r.Refresh(t.Context())
	if same, err := r.Get("m"); err != nil || same != before {
		t.Errorf("nothing changed, yet %+v became %+v (%v)", before, same, err)
	}
	secrets.members[0].Kubeconfig = memberKubeconfig(t, func(_ *api.Config, _ *api.Cluster, u *api.AuthInfo) { u.Token = "new" })
	r.Refresh(t.Context())
	if after, err := r.Get("m"); err != nil || after.Revision == before.Revision {
		t.Errorf("a new token left revision %q (%v)", after.Revision, err)
	}
	secrets.members, secrets.err = nil, errors.New("host is down")
	r.Refresh(t.Context())
	if _, err := r.Get("m"); err != nil {
		t.Errorf("a host that does not answer lost the member: %v", err)
	}
	secrets.err = nil
	r.Refresh(t.Context())
	if _, err := r.Get("m"); !errors.Is(err, ErrUnknown) {
		t.Errorf("a deleted member is still there: %v", err)
	}
}

// TestImpersonatedHost: users whom the host cluster cannot identify act there, too,
// without its system: names.
func TestImpersonatedHost(t *testing.T) {
	k := open(t, twoClusters())
	config, err := k.ForUser("east", User{Name: "ann", Groups: []string{"system:masters"}, Impersonate: true})
	if err != nil {
		t.Fatal(err)
	}
	want := rest.ImpersonationConfig{UserName: "ann"}
	if diff := cmp.Diff(want, config.Impersonate); diff != "" || config.BearerToken != "stored" {
		t.Errorf("token %q, impersonation %s", config.BearerToken, diff)
	}
	if _, err := k.ForUser("east", User{Name: "system:kube-scheduler", Impersonate: true}); !errors.Is(err, ErrSystemUser) {
		t.Errorf("system user: %v", err)
	}
}

// TestFinders run against a server that answers as kube-apiserver does.
func TestFinders(t *testing.T) {
	var selector atomic.Value
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		selector.Store(r.URL.Query().Get("labelSelector"))
		w.Header().Set("Content-Type", "application/json")
		item := func(name string, fields map[string]any) map[string]any {
			fields["metadata"] = map[string]any{"name": name, "namespace": "console"}
			return fields
		}
		list := map[string]any{"apiVersion": "v1", "kind": "SecretList", "items": []any{
			item("a", map[string]any{"data": map[string]any{"kubeconfig": base64.StdEncoding.EncodeToString([]byte("text"))}}),
			item("b", map[string]any{"data": map[string]any{"other": ""}}),
		}}
		if strings.HasPrefix(r.URL.Path, "/apis/cluster.kubesphere.io/v1alpha1/clusters") {
			cluster := func(name string, spec map[string]any) map[string]any {
				return item(name, map[string]any{"apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster", "spec": spec})
			}
			list = map[string]any{"apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "ClusterList", "items": []any{
				cluster("a", map[string]any{"enable": true, "connection": map[string]any{"kubeconfig": base64.StdEncoding.EncodeToString([]byte("text"))}}),
				cluster("b", map[string]any{"connection": map[string]any{"type": "proxy"}}),
				cluster("c", map[string]any{"enable": false, "connection": map[string]any{"kubeconfig": "dGV4dA=="}}),
				cluster("d", map[string]any{"connection": map[string]any{"kubeconfig": "%"}}),
				cluster("e", map[string]any{"enable": "false", "connection": map[string]any{"kubeconfig": "dGV4dA=="}}),
				cluster("f", map[string]any{"connection": "x"}),
			}}
		}
		if err := json.NewEncoder(w).Encode(list); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(host.Close)
	config := &rest.Config{Host: host.URL}
	for name, tc := range map[string]struct {
		finder   Finder
		selector string
		want     []string
	}{
		"Secrets":    {Secrets{kubernetes.NewForConfigOrDie(config), "console"}, "edgeway.io/member-cluster=true", []string{"a text", "b  refused"}},
		"KubeSphere": {KubeSphere{dynamic.NewForConfigOrDie(config)}, "!cluster-role.kubesphere.io/host", []string{"a text", "b  refused", "c  refused", "d  refused", "e  refused", "f  refused"}},
	} {
		members, err := tc.finder.Find(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range members {
			line := fmt.Sprintf("%s %s", m.Name, m.Kubeconfig)
			if m.Refused != "" {
				line += " refused"
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if selector.Load() != tc.selector {
			t.Errorf("%s: selector %q", name, selector.Load())
		}
	}
}
