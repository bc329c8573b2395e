package clusters

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edgeway-io/edgeway/test/corpus"
)

// FuzzKubeconfig reads each text as a file of the user and as the kubeconfig of a member:
// what is listed without a problem can be used, the host is one of the contexts, and a
// member is refused or reached by verified HTTPS without programs and files.
func FuzzKubeconfig(f *testing.F) {
	for _, kind := range []string{"kubeconfig", "member"} {
		cases, err := corpus.Cases(kind)
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range cases {
			f.Add(c.Input)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		checkMember(t, text)
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := FromKubeconfig(file)
		if err != nil {
			return
		}
		current, err := k.Current()
		if (err == nil) != (k.Host().Name == current && current != "") {
			t.Errorf("current %q, %v, and host %q", current, err, k.Host().Name)
		}
		for _, c := range k.List() {
			if _, err := k.Config(c.Name); (err == nil) != (c.Problem == "") || err != nil && !errors.Is(err, ErrRefused) {
				t.Errorf("%q: problem %q, %v", c.Name, c.Problem, err)
			}
		}
	})
}

func checkMember(t *testing.T, text []byte) {
	config, namespace, err := parseMember(text)
	if err != nil {
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%v is no ErrRefused", err)
		}
		return
	}
	if !strings.HasPrefix(strings.ToLower(config.Host), "https://") || namespace == "" || config.Insecure || config.CAFile != "" || config.CertFile != "" || config.BearerTokenFile != "" ||
		config.ExecProvider != nil || config.AuthProvider != nil || config.Proxy != nil || config.Impersonate.UserName != "" || config.Username != "" {
		t.Errorf("accepted: %v", config)
	}
}
