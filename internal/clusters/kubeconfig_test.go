package clusters

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"
)

func twoClusters() api.Config {
	return api.Config{
		Clusters: map[string]*api.Cluster{
			"a": {Server: "https://a:6443", CertificateAuthorityData: []byte("ca")},
			"b": {Server: "https://b:6443"},
		},
		AuthInfos: map[string]*api.AuthInfo{"admin": {Token: "stored"}},
		Contexts: map[string]*api.Context{
			"west": {Cluster: "b", AuthInfo: "admin"},
			"east": {Cluster: "a", AuthInfo: "admin"},
		},
		CurrentContext: "east",
	}
}

func open(t *testing.T, config api.Config) *Kubeconfig {
	t.Helper()
	k, err := newKubeconfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestList(t *testing.T) {
	k := open(t, twoClusters())
	want := []Cluster{{Name: "east", Server: "https://a:6443", Host: true, Source: SourceContext}, {Name: "west", Server: "https://b:6443", Source: SourceContext}}
	if diff := cmp.Diff(want, k.List()); diff != "" {
		t.Error(diff)
	}
	if _, err := k.Get("north"); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown cluster: %v", err)
	}
}

func TestBrokenKubeconfigs(t *testing.T) {
	if _, err := newKubeconfig(api.Config{}); !errors.Is(err, ErrNoClusters) {
		t.Errorf("no context: %v", err)
	}
	dangling := twoClusters()
	delete(dangling.Clusters, "b")
	if _, err := newKubeconfig(dangling); err == nil {
		t.Error("a context without its cluster was accepted")
	}
}

func TestForUser(t *testing.T) {
	k := open(t, twoClusters())
	user := User{Name: "ann", Groups: []string{"ops", "system:masters"}, Token: "hers"}

	host, err := k.ForUser("east", user)
	if err != nil {
		t.Fatal(err)
	}
	if host.BearerToken != "hers" || host.Impersonate.UserName != "" {
		t.Errorf("host: token %q, impersonates %q; want her own token and nobody", host.BearerToken, host.Impersonate.UserName)
	}
	nobody, err := k.ForUser("east", User{})
	if err != nil {
		t.Fatal(err)
	}
	if nobody.BearerToken != "" {
		t.Error("a request without a token got the stored one")
	}

	member, err := k.ForUser("west", user)
	if err != nil {
		t.Fatal(err)
	}
	want := rest.ImpersonationConfig{UserName: "ann", Groups: []string{"ops"}}
	if diff := cmp.Diff(want, member.Impersonate); diff != "" || member.BearerToken != "stored" {
		t.Errorf("member: token %q, impersonation %s", member.BearerToken, diff)
	}
	for _, name := range []string{"", "system:admin", "system:serviceaccount:kube-system:x"} {
		if _, err := k.ForUser("west", User{Name: name}); !errors.Is(err, ErrSystemUser) {
			t.Errorf("user %q on a member cluster: %v, want ErrSystemUser", name, err)
		}
	}
}
