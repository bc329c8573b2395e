package clusters

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Request limits of a client: enough for an installation, small for an apiserver.
const (
	qps   = 50
	burst = 100
)

// Kubeconfig has a cluster for every context of a kubeconfig file. The current
// context is the host.
type Kubeconfig struct {
	config api.Config
	host   string
}

var _ Clusters = (*Kubeconfig)(nil)

// FromKubeconfig reads a file; with an empty path, what kubectl would read
// (KUBECONFIG, then ~/.kube/config).
func FromKubeconfig(path string) (*Kubeconfig, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	config, err := rules.Load()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	return newKubeconfig(*config)
}

// InCluster has the one cluster that the program runs in, under a name to choose.
// Its stored credentials are those of the pod's ServiceAccount.
func InCluster(name string) (*Kubeconfig, error) {
	pod, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("ServiceAccount of the pod: %w", err)
	}
	return newKubeconfig(api.Config{
		Clusters:       map[string]*api.Cluster{name: {Server: pod.Host, CertificateAuthority: pod.TLSClientConfig.CAFile}},
		AuthInfos:      map[string]*api.AuthInfo{name: {TokenFile: pod.BearerTokenFile}},
		Contexts:       map[string]*api.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	})
}

func newKubeconfig(config api.Config) (*Kubeconfig, error) {
	for name, context := range config.Contexts {
		if config.Clusters[context.Cluster] == nil {
			return nil, fmt.Errorf("kubeconfig: context %q names cluster %q, which is not there: add the cluster or remove the context", name, context.Cluster)
		}
	}
	names := slices.Sorted(maps.Keys(config.Contexts))
	if len(names) == 0 {
		return nil, fmt.Errorf("kubeconfig has no context: %w", ErrNoClusters)
	}
	host := config.CurrentContext
	if config.Contexts[host] == nil {
		host = names[0]
	}
	return &Kubeconfig{config: config, host: host}, nil
}

// List in order of name.
func (k *Kubeconfig) List() []Cluster {
	var out []Cluster
	for _, name := range slices.Sorted(maps.Keys(k.config.Contexts)) {
		out = append(out, k.cluster(name))
	}
	return out
}

func (k *Kubeconfig) cluster(name string) Cluster {
	server := k.config.Clusters[k.config.Contexts[name].Cluster].Server
	return Cluster{Name: name, Server: server, Host: name == k.host, Source: SourceContext}
}

// Get a cluster by the name of its context.
func (k *Kubeconfig) Get(name string) (Cluster, error) {
	if k.config.Contexts[name] == nil {
		known := strings.Join(slices.Sorted(maps.Keys(k.config.Contexts)), ", ")
		return Cluster{}, fmt.Errorf("cluster %q: %w (known: %s)", name, ErrUnknown, known)
	}
	return k.cluster(name), nil
}

// Host is the cluster of the current context.
func (k *Kubeconfig) Host() Cluster { return k.cluster(k.host) }

// Config with the context's own credentials.
func (k *Kubeconfig) Config(name string) (*rest.Config, error) {
	if _, err := k.Get(name); err != nil {
		return nil, err
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(k.config, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("cluster %q: %w", name, err)
	}
	config.QPS, config.Burst = qps, burst
	return config, nil
}

// ForUser strips the stored credentials on the host and impersonates elsewhere.
func (k *Kubeconfig) ForUser(name string, user User) (*rest.Config, error) {
	config, err := k.Config(name)
	if err != nil {
		return nil, err
	}
	if name != k.host || user.Impersonate {
		return impersonate(config, user)
	}
	own := rest.AnonymousClientConfig(config)
	own.QPS, own.Burst = qps, burst
	if user.Tokens != nil {
		own.Wrap(bearer(user.Tokens))
	} else {
		own.BearerToken = user.Token
	}
	return own, nil
}

// Namespace that a cluster's context names; "default" when it names none.
func (k *Kubeconfig) Namespace(name string) string {
	if context := k.config.Contexts[name]; context != nil && context.Namespace != "" {
		return context.Namespace
	}
	return "default"
}

// ForRedeemer impersonates the ServiceAccount that redeems join codes.
func (k *Kubeconfig) ForRedeemer(name string) (*rest.Config, error) {
	config, err := k.Config(name)
	if err != nil {
		return nil, err
	}
	return asRedeemer(config), nil
}
