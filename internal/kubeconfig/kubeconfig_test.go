package kubeconfig

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd/api"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const two = `apiVersion: v1
kind: Config
clusters:
- {name: a, cluster: {server: "https://a:6443"}}
- {name: b, cluster: {server: "https://b:6443"}}
users:
- {name: admin, user: {token: s3cret}}
contexts:
- {name: alpha, context: {cluster: a, user: admin, namespace: shop}}
- {name: beta, context: {cluster: b, user: admin}}
`

// TestNothingIsGuessed: kubectl sends nothing either.
func TestNothingIsGuessed(t *testing.T) {
	// A pod's own credentials are no way out.
	t.Setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "443")
	for name, tc := range map[string]struct {
		text string
		want error
		says string
	}{
		"lacks current-context":  {two, ErrNoCurrent, "alpha, beta"},
		"current-context empty":  {two + "current-context: \"\"\n", ErrNoCurrent, "--context"},
		"current-context is off": {two + "current-context: gamma\n", ErrNoCurrent, `"gamma"`},
		"no context":             {"apiVersion: v1\nkind: Config\n", ErrNoContexts, "context"},
		"empty file":             {"", ErrNoContexts, "context"},
		"no kubeconfig":          {"- a\n- b\n", ErrUnreadable, ""},
		"twice the same name":    {two + "- {name: beta, context: {cluster: a}}\ncurrent-context: alpha\n", ErrUnreadable, "beta"},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := File(write(t, tc.text))
			if config != nil || !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, %v; want %v naming %s", config, err, tc.want, tc.says)
			}
		})
	}
	if _, err := File(filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrUnreadable) {
		t.Errorf("a missing file: %v", err)
	}
	config, err := File(write(t, two+"current-context: beta\n"))
	if err != nil || config.Host != "https://b:6443" || config.BearerToken != "s3cret" {
		t.Errorf("%v, %v", config, err)
	}
}

// TestABrokenContextHarmsNoOther.
func TestABrokenContextHarmsNoOther(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*api.Config)
		says   string
	}{
		"cluster is gone":      {func(c *api.Config) { delete(c.Clusters, "b") }, `cluster "b", which is not there`},
		"no cluster":           {func(c *api.Config) { c.Contexts["beta"].Cluster = "" }, "names no cluster"},
		"user is gone":         {func(c *api.Config) { c.Contexts["beta"].AuthInfo = "ann" }, `user "ann", which is not there`},
		"no server":            {func(c *api.Config) { c.Clusters["b"].Server = "" }, "no server"},
		"server is none":       {func(c *api.Config) { c.Clusters["b"].Server = "https://b:port" }, "port"},
		"CA file is gone":      {func(c *api.Config) { c.Clusters["b"].CertificateAuthority = "/none/ca.crt" }, "/none/ca.crt"},
		"CA is no certificate": {func(c *api.Config) { c.Clusters["b"].CertificateAuthorityData = []byte("x") }, "certificate"},
		"proxy is none":        {func(c *api.Config) { c.Clusters["b"].ProxyURL = "ftp://x" }, "proxy"},
		"unknown exec version": {func(c *api.Config) {
			c.AuthInfos["b"] = &api.AuthInfo{Exec: &api.ExecConfig{Command: "x", APIVersion: "v0", InteractiveMode: api.NeverExecInteractiveMode}}
			c.Contexts["beta"].AuthInfo = "b"
		}, "exec"},
		"key without certificate": {func(c *api.Config) {
			c.AuthInfos["b"] = &api.AuthInfo{ClientCertificateData: []byte("x")}
			c.Contexts["beta"].AuthInfo = "b"
		}, "client-key"},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := Load(write(t, two+"current-context: alpha\n"))
			if err != nil {
				t.Fatal(err)
			}
			tc.change(config)
			if _, err := ClientConfig(config, "beta"); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), `"beta"`) {
				t.Errorf("%v, want %s", err, tc.says)
			}
			if good, err := ClientConfig(config, "alpha"); err != nil || good.Host != "https://a:6443" {
				t.Errorf("the other context: %v, %v", good, err)
			}
		})
	}
}

func TestNamespace(t *testing.T) {
	config, err := Load(write(t, two))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"alpha": "shop", "beta": "default", "gamma": "default"} {
		if got := Namespace(config, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if _, err := ClientConfig(config, "gamma"); !errors.Is(err, ErrUnknownContext) {
		t.Errorf("unknown: %v", err)
	}
}
