package clusters

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// memberKubeconfig is one that is accepted, changed by edit.
func memberKubeconfig(t *testing.T, edit func(*api.Config, *api.Cluster, *api.AuthInfo)) []byte {
	t.Helper()
	cluster := &api.Cluster{Server: "https://member.example:6443"}
	user := &api.AuthInfo{Token: "s3cret"}
	config := api.Config{
		Clusters:       map[string]*api.Cluster{"m": cluster},
		AuthInfos:      map[string]*api.AuthInfo{"console": user},
		Contexts:       map[string]*api.Context{"m": {Cluster: "m", AuthInfo: "console"}},
		CurrentContext: "m",
	}
	if edit != nil {
		edit(&config, cluster, user)
	}
	raw, err := clientcmd.Write(config)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestMemberKubeconfig(t *testing.T) {
	config, namespace, err := parseMember(memberKubeconfig(t, func(c *api.Config, _ *api.Cluster, _ *api.AuthInfo) { c.Contexts["m"].Namespace = "shop" }))
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://member.example:6443" || config.BearerToken != "s3cret" || config.QPS != qps || namespace != "shop" {
		t.Errorf("config = %v, namespace = %q", config, namespace)
	}
}

func TestMemberKubeconfigsRefused(t *testing.T) {
	type edit = func(*api.Config, *api.Cluster, *api.AuthInfo)
	for name, tc := range map[string]struct {
		edit  edit
		field string
	}{
		"exec": {func(_ *api.Config, _ *api.Cluster, u *api.AuthInfo) {
			u.Exec = &api.ExecConfig{Command: "sh", APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: api.NeverExecInteractiveMode}
		}, "exec"},
		"auth provider": {func(_ *api.Config, _ *api.Cluster, u *api.AuthInfo) {
			u.AuthProvider = &api.AuthProviderConfig{Name: "oidc"}
		}, "auth-provider"},
		"token file":         {func(_ *api.Config, _ *api.Cluster, u *api.AuthInfo) { u.TokenFile = "/etc/passwd" }, "tokenFile"},
		"certificate file":   {func(_ *api.Config, _ *api.Cluster, u *api.AuthInfo) { u.ClientCertificate = "/x.crt" }, "client-certificate"},
		"key file":           {func(_ *api.Config, _ *api.Cluster, u *api.AuthInfo) { u.ClientKey = "/x.key" }, "client-key"},
		"CA file":            {func(_ *api.Config, c *api.Cluster, _ *api.AuthInfo) { c.CertificateAuthority = "/ca.crt" }, "certificate-authority"},
		"proxy":              {func(_ *api.Config, c *api.Cluster, _ *api.AuthInfo) { c.ProxyURL = "http://10.0.0.1" }, "proxy-url"},
		"unverified":         {func(_ *api.Config, c *api.Cluster, _ *api.AuthInfo) { c.InsecureSkipTLSVerify = true }, "insecure-skip-tls-verify"},
		"plain HTTP":         {func(_ *api.Config, c *api.Cluster, _ *api.AuthInfo) { c.Server = "http://member.example" }, "server"},
		"no server":          {func(_ *api.Config, c *api.Cluster, _ *api.AuthInfo) { c.Server = "" }, "server"},
		"password in URL":    {func(_ *api.Config, c *api.Cluster, _ *api.AuthInfo) { c.Server = "https://a:b@member.example" }, "server"},
		"impersonated user":  {func(_ *api.Config, _ *api.Cluster, u *api.AuthInfo) { u.Impersonate = "system:admin" }, "as"},
		"impersonated group": {func(_ *api.Config, _ *api.Cluster, u *api.AuthInfo) { u.ImpersonateGroups = []string{"system:masters"} }, "as"},
		"impersonated UID":   {func(_ *api.Config, _ *api.Cluster, u *api.AuthInfo) { u.ImpersonateUID = "1" }, "as"},
		"impersonated extra": {func(_ *api.Config, _ *api.Cluster, u *api.AuthInfo) {
			u.ImpersonateUserExtra = map[string][]string{"scopes": {"x"}}
		}, "as"},
		"basic auth":     {func(_ *api.Config, _ *api.Cluster, u *api.AuthInfo) { u.Username, u.Password = "a", "s3cret" }, "username"},
		"no credentials": {func(_ *api.Config, _ *api.Cluster, u *api.AuthInfo) { u.Token = "" }, "token"},
		"key missing": {func(_ *api.Config, _ *api.Cluster, u *api.AuthInfo) {
			u.Token, u.ClientCertificateData = "", []byte("s3cret")
		}, "token"},
		"unused user": {func(c *api.Config, _ *api.Cluster, _ *api.AuthInfo) {
			c.AuthInfos["other"] = &api.AuthInfo{TokenFile: "/etc/passwd"}
		}, "tokenFile"},
		"no current context": {func(c *api.Config, _ *api.Cluster, _ *api.AuthInfo) { c.CurrentContext = "" }, "current-context"},
		"no CA":              {func(_ *api.Config, c *api.Cluster, _ *api.AuthInfo) { c.CertificateAuthorityData = []byte("s3cret") }, "certificate"},
		"unknown context":    {func(c *api.Config, _ *api.Cluster, _ *api.AuthInfo) { c.CurrentContext = "other" }, "current-context"},
		"dangling user":      {func(c *api.Config, _ *api.Cluster, _ *api.AuthInfo) { c.Contexts["m"].AuthInfo = "nobody" }, "user"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := parseMember(memberKubeconfig(t, tc.edit))
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tc.field) {
				t.Errorf("got %v, want ErrRefused naming %q", err, tc.field)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error carries credentials: %v", err)
			}
		})
	}
	for _, raw := range []string{"", "token: s3cret", "apiVersion: v1\nkind: Config\nusers: [s3cret", "\x00s3cret"} {
		if _, _, err := parseMember([]byte(raw)); !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

// TestRedirectsAreNotFollowed: a member cannot send the console elsewhere.
func TestRedirectsAreNotFollowed(t *testing.T) {
	reached := false
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(inside.Close)
	cluster := httptest.NewTLSServer(http.RedirectHandler(inside.URL, http.StatusTemporaryRedirect))
	t.Cleanup(cluster.Close)
	config, _, err := parseMember(memberKubeconfig(t, func(_ *api.Config, c *api.Cluster, _ *api.AuthInfo) {
		c.Server, c.CertificateAuthorityData = cluster.URL, certificatePEM(cluster)
	}))
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Get(cluster.URL + "/version")
	if err == nil {
		res.Body.Close()
	}
	if !errors.Is(err, errRedirected) || reached {
		t.Errorf("error %v, the other server was reached: %v", err, reached)
	}
}
