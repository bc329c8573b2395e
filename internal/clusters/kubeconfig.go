package clusters

import (
	"fmt"
	"os"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgeway-io/edgeway/internal/kubeconfig"
)

// Request limits of a client: enough for an installation, small for an apiserver.
const (
	qps   = 50
	burst = 100
)

// Kubeconfig has a cluster for every context of a kubeconfig file. The current
// context is the host.
type Kubeconfig struct {
	config *api.Config
	// problems of contexts that cannot be used.
	problems map[string]string
}

var _ Clusters = (*Kubeconfig)(nil)

// FromKubeconfig reads a file; with an empty path, what kubectl would read
// (KUBECONFIG, then ~/.kube/config). A file without a context is ErrNoClusters. A broken
// context is none of the errors: it is in the list, with what is wrong.
func FromKubeconfig(path string) (*Kubeconfig, error) {
	config, err := kubeconfig.Load(path)
	if err != nil {
		return nil, err
	}
	return newKubeconfig(config)
}

// serviceAccount is where a pod finds the namespace of its ServiceAccount.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// InCluster has the one cluster that the program runs in, under a name to choose.
// Its stored credentials are those of the pod's ServiceAccount, its namespace is the
// pod's.
func InCluster(name string) (*Kubeconfig, error) {
	pod, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("ServiceAccount of the pod: %w", err)
	}
	namespace, err := os.ReadFile(serviceAccount)
	if err != nil {
		return nil, fmt.Errorf("namespace of the pod: %w", err)
	}
	return newKubeconfig(&api.Config{
		Clusters:       map[string]*api.Cluster{name: {Server: pod.Host, CertificateAuthority: pod.TLSClientConfig.CAFile}},
		AuthInfos:      map[string]*api.AuthInfo{name: {TokenFile: pod.BearerTokenFile}},
		Contexts:       map[string]*api.Context{name: {Cluster: name, AuthInfo: name, Namespace: strings.TrimSpace(string(namespace))}},
		CurrentContext: name,
	})
}

// Local is what kubectl would use: the kubeconfig or, in a pod and where there is no
// context to be found, the pod's own cluster under the given name. A file that is named
// by path is used or is an error.
func Local(path, podName string) (*Kubeconfig, error) {
	config, err := kubeconfig.Load(path)
	if err != nil {
		return nil, err
	}
	if path == "" && len(config.Contexts) == 0 && os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return InCluster(podName)
	}
	return newKubeconfig(config)
}

func newKubeconfig(config *api.Config) (*Kubeconfig, error) {
	if len(config.Contexts) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrNoClusters, kubeconfig.ErrNoContexts)
	}
	k := &Kubeconfig{config: config, problems: map[string]string{}}
	for _, name := range kubeconfig.Contexts(config) {
		if _, err := kubeconfig.ClientConfig(config, name); err != nil {
			k.problems[name] = err.Error()
		}
	}
	return k, nil
}

// WithContext has another current context, as kubectl's --context. An empty name changes
// nothing. It fails with ErrUnknown.
func (k *Kubeconfig) WithContext(name string) (*Kubeconfig, error) {
	if name == "" {
		return k, nil
	}
	if _, err := k.Get(name); err != nil {
		return nil, fmt.Errorf("--context: %w", err)
	}
	out := *k
	out.config = k.config.DeepCopy()
	out.config.CurrentContext = name
	return &out, nil
}

// Current is the name of the current context. It fails with kubeconfig.ErrNoCurrent.
func (k *Kubeconfig) Current() (string, error) { return kubeconfig.Current(k.config) }

// List in order of name.
func (k *Kubeconfig) List() []Cluster {
	var out []Cluster
	for _, name := range kubeconfig.Contexts(k.config) {
		out = append(out, k.cluster(name))
	}
	return out
}

func (k *Kubeconfig) cluster(name string) Cluster {
	out := Cluster{Name: name, Host: name == k.config.CurrentContext, Source: SourceContext, Problem: k.problems[name]}
	if cluster := k.config.Clusters[k.config.Contexts[name].Cluster]; cluster != nil {
		out.Server = cluster.Server
	}
	return out
}

// Get a cluster by the name of its context.
func (k *Kubeconfig) Get(name string) (Cluster, error) {
	if k.config.Contexts[name] == nil {
		return Cluster{}, fmt.Errorf("cluster %q: %w (known: %s)", name, ErrUnknown, strings.Join(kubeconfig.Contexts(k.config), ", "))
	}
	return k.cluster(name), nil
}

// Host is the cluster of the current context; the zero Cluster where Current fails.
func (k *Kubeconfig) Host() Cluster {
	name, err := k.Current()
	if err != nil {
		return Cluster{}
	}
	return k.cluster(name)
}

// Config with the context's own credentials. It fails with ErrRefused for a context that
// cannot be used.
func (k *Kubeconfig) Config(name string) (*rest.Config, error) {
	if _, err := k.Get(name); err != nil {
		return nil, err
	}
	config, err := kubeconfig.ClientConfig(k.config, name)
	if err != nil {
		return nil, fmt.Errorf("cluster %q: %w: %w", name, ErrRefused, err)
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
	if name != k.config.CurrentContext || user.Impersonate {
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
func (k *Kubeconfig) Namespace(name string) string { return kubeconfig.Namespace(k.config, name) }

// ForRedeemer impersonates the ServiceAccount that redeems join codes.
func (k *Kubeconfig) ForRedeemer(name string) (*rest.Config, error) {
	config, err := k.Config(name)
	if err != nil {
		return nil, err
	}
	return asRedeemer(config), nil
}
