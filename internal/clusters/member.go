package clusters

import (
	"fmt"
	"net/http"
	"net/url"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/kubeconfig"
)

// parseMember reads a kubeconfig that came from a cluster object. Whoever may
// write such an object must not make the console run a program, read one of its
// files or send credentials by a way of his own, so only plain credentials over
// verified HTTPS are accepted. All entries are looked at, used or not. Errors wrap
// ErrRefused and never carry credentials. namespace is that of the context.
func parseMember(raw []byte) (out *rest.Config, namespace string, err error) {
	config, err := clientcmd.Load(raw)
	if err != nil {
		// The parser's own message quotes the text around the fault.
		return nil, "", fmt.Errorf("%w: it is no valid kubeconfig: store what kubectl config view --raw --minify --flatten prints", ErrRefused)
	}
	for name, cluster := range config.Clusters {
		if err := acceptCluster(name, cluster); err != nil {
			return nil, "", err
		}
	}
	for name, user := range config.AuthInfos {
		if err := acceptUser(name, user); err != nil {
			return nil, "", err
		}
	}
	context, err := usedContext(config)
	if err != nil {
		return nil, "", err
	}
	out, err = kubeconfig.ClientConfig(config, context)
	if err != nil {
		// Its own message quotes what is malformed.
		return nil, "", fmt.Errorf("%w: context %q cannot be used: its certificate, key or server is malformed", ErrRefused, context)
	}
	out.QPS, out.Burst = qps, burst
	out.Wrap(func(next http.RoundTripper) http.RoundTripper { return noRedirects{next} })
	return out, kubeconfig.Namespace(config, context), nil
}

// usedContext is the current one.
func usedContext(config *api.Config) (string, error) {
	name, err := kubeconfig.Current(config)
	if err != nil {
		return "", fmt.Errorf("%w: current-context %q is no context of it: set current-context", ErrRefused, config.CurrentContext)
	}
	context := config.Contexts[name]
	if config.Clusters[context.Cluster] == nil || config.AuthInfos[context.AuthInfo] == nil {
		return "", fmt.Errorf("%w: context %q names a cluster or user that it lacks: store what kubectl config view --raw --minify --flatten prints", ErrRefused, name)
	}
	return name, nil
}

func acceptCluster(name string, c *api.Cluster) error {
	server, err := url.Parse(c.Server)
	switch {
	case err != nil || server.Host == "" || server.User != nil:
		return refuse("clusters", name, "server", "is no https://HOST[:PORT]", "correct the address")
	case server.Scheme != "https":
		return refuse("clusters", name, "server", "is not https", "give the address of the TLS port")
	case c.InsecureSkipTLSVerify:
		return refuse("clusters", name, "insecure-skip-tls-verify", "lets anybody take the cluster's place", "give certificate-authority-data")
	case c.CertificateAuthority != "":
		return refuse("clusters", name, "certificate-authority", "names a file", "give certificate-authority-data")
	case c.ProxyURL != "":
		return refuse("clusters", name, "proxy-url", "is not used", "make the cluster reachable without a proxy")
	}
	return nil
}

func acceptUser(name string, u *api.AuthInfo) error {
	switch {
	case u.Exec != nil:
		return refuse("users", name, "exec", "runs a program", "give a token or a client certificate")
	case u.AuthProvider != nil:
		return refuse("users", name, "auth-provider", "is a plugin", "give a token or a client certificate")
	case u.ClientCertificate != "":
		return refuse("users", name, "client-certificate", "names a file", "give client-certificate-data")
	case u.ClientKey != "":
		return refuse("users", name, "client-key", "names a file", "give client-key-data")
	case u.TokenFile != "":
		return refuse("users", name, "tokenFile", "names a file", "give token")
	case u.Impersonate != "" || u.ImpersonateUID != "" || len(u.ImpersonateGroups) > 0 || len(u.ImpersonateUserExtra) > 0:
		return refuse("users", name, "as", "impersonates somebody", "remove as, as-uid, as-groups and as-user-extra: the console impersonates its users")
	case u.Username != "" || u.Password != "":
		return refuse("users", name, "username", "is basic authentication, which Kubernetes no longer has", "give a token or a client certificate")
	case u.Token == "" && (len(u.ClientCertificateData) == 0 || len(u.ClientKeyData) == 0):
		return refuse("users", name, "token", "is missing, and so is a client certificate with its key", "give a token or a client certificate")
	}
	return nil
}

func refuse(list, name, field, why, remedy string) error {
	return fmt.Errorf("%w: %s[%q].%s %s: %s", ErrRefused, list, name, field, why, remedy)
}

// errRedirected: an apiserver never redirects; whoever answers so would send the
// console, and what it carries, to a place of his own choice.
var errRedirected = errcat.New("ClusterRedirected", "the cluster answered with a redirect, which is not followed")

type noRedirects struct{ next http.RoundTripper }

// RoundTrip refuses requests that are the consequence of an answer.
func (n noRedirects) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Response != nil {
		return nil, errRedirected
	}
	return n.next.RoundTrip(r)
}
