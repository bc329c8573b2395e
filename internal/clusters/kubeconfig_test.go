package clusters

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgeway-io/edgeway/internal/kubeconfig"
)

func twoClusters() api.Config {
	return api.Config{
		Clusters: map[string]*api.Cluster{
			"a": {Server: "https://a:6443", InsecureSkipTLSVerify: true},
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
	k, err := newKubeconfig(&config)
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

func TestNoContexts(t *testing.T) {
	if _, err := newKubeconfig(&api.Config{}); !errors.Is(err, ErrNoClusters) {
		t.Errorf("no context: %v", err)
	}
}

// TestABrokenContextIsShownAndStopsNobody.
func TestABrokenContextIsShownAndStopsNobody(t *testing.T) {
	dangling := twoClusters()
	delete(dangling.Clusters, "b")
	k := open(t, dangling)
	list := k.List()
	if len(list) != 2 || list[0].Problem != "" || !strings.Contains(list[1].Problem, `cluster "b", which is not there`) || list[1].Server != "" {
		t.Errorf("list = %+v", list)
	}
	user := User{Name: "ann", Token: "hers"}
	if config, err := k.ForUser("east", user); err != nil || config.BearerToken != "hers" {
		t.Errorf("the other context: %v, %v", config, err)
	}
	for name, use := range map[string]func() error{
		"Config":      func() error { _, err := k.Config("west"); return err },
		"ForUser":     func() error { _, err := k.ForUser("west", user); return err },
		"ForRedeemer": func() error { _, err := k.ForRedeemer("west"); return err },
	} {
		if err := use(); !errors.Is(err, ErrRefused) {
			t.Errorf("%s of the broken context: %v", name, err)
		}
	}
}

// TestTheCurrentContextIsNeverGuessed: credentials would go to a cluster that nobody chose.
func TestTheCurrentContextIsNeverGuessed(t *testing.T) {
	for _, current := range []string{"", "north"} {
		config := twoClusters()
		config.CurrentContext = current
		k := open(t, config)
		if name, err := k.Current(); name != "" || !errors.Is(err, kubeconfig.ErrNoCurrent) {
			t.Errorf("current-context %q: %q, %v", current, name, err)
		}
		if host := k.Host(); host != (Cluster{}) {
			t.Errorf("current-context %q: host %+v", current, host)
		}
		for _, c := range k.List() {
			if c.Host {
				t.Errorf("current-context %q: %s is the host", current, c.Name)
			}
		}
		chosen, err := k.WithContext("west")
		if err != nil || chosen.Host().Name != "west" {
			t.Errorf("chosen: %v", err)
		}
	}
	k := open(t, twoClusters())
	if _, err := k.WithContext("north"); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown context: %v", err)
	}
	if same, err := k.WithContext(""); err != nil || same.Host().Name != "east" {
		t.Errorf("no context chosen: %v", err)
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
