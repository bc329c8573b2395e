// Package kubeconfig reads kubeconfig files as kubectl does. A name that names nothing
// is an error, never a reason to take another entry: requests and credentials would go
// to a cluster that nobody chose. A broken entry harms no other.
package kubeconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// Errors of this package.
var (
	// ErrUnreadable means that a file is missing or is no kubeconfig.
	ErrUnreadable = errcat.New("KubeconfigUnreadable", "kubeconfig cannot be read")
	// ErrNoContexts means that there is no context to choose from.
	ErrNoContexts = errcat.New("NoContext", "kubeconfig has no context")
	// ErrNoCurrent means that current-context is missing or names no context.
	ErrNoCurrent = errcat.New("NoContext", "kubeconfig has no current context")
	// ErrUnknownContext means that there is no context of that name.
	ErrUnknownContext = errcat.New("UnknownContext", "unknown context")
	// ErrBroken means that a context cannot be used.
	ErrBroken = errcat.New("ContextBroken", "context cannot be used")
)

// DefaultNamespace is that of a context that names none.
const DefaultNamespace = "default"

// Load reads a file; with an empty path, what kubectl would read (KUBECONFIG, then
// ~/.kube/config). The result may hold no context.
func Load(path string) (*api.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	config, err := rules.Load()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return config, nil
}

// Contexts are the names of the contexts in order.
func Contexts(config *api.Config) []string { return slices.Sorted(maps.Keys(config.Contexts)) }

// Current is the name of the current context. Errors wrap ErrNoContexts or ErrNoCurrent.
func Current(config *api.Config) (string, error) {
	name := config.CurrentContext
	known := strings.Join(Contexts(config), ", ")
	switch {
	case len(config.Contexts) == 0:
		return "", fmt.Errorf("%w: give a kubeconfig file with one", ErrNoContexts)
	case name == "":
		return "", fmt.Errorf("%w: choose one with --context or with kubectl config use-context (known: %s)", ErrNoCurrent, known)
	case config.Contexts[name] == nil:
		return "", fmt.Errorf("%w: current-context %q names none: choose one with --context or with kubectl config use-context (known: %s)", ErrNoCurrent, name, known)
	}
	return name, nil
}

// ClientConfig carries the credentials of a context. Errors wrap ErrUnknownContext or
// ErrBroken.
func ClientConfig(config *api.Config, name string) (*rest.Config, error) {
	if config.Contexts[name] == nil {
		return nil, fmt.Errorf("context %q: %w (known: %s)", name, ErrUnknownContext, strings.Join(Contexts(config), ", "))
	}
	if err := missing(config, name); err != nil {
		return nil, fmt.Errorf("%w: context %q %w", ErrBroken, name, err)
	}
	out, err := clientcmd.NewNonInteractiveClientConfig(*config, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err == nil {
		_, _, err = rest.DefaultServerUrlFor(out)
	}
	if err == nil {
		// Certificates and keys that are no such thing.
		_, err = rest.TLSConfigFor(out)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: context %q: %w: correct its cluster or user", ErrBroken, name, err)
	}
	return out, nil
}

// missing names the entry that a context needs and does not have. A context without a
// user is anonymous.
func missing(config *api.Config, name string) error {
	context := config.Contexts[name]
	cluster := config.Clusters[context.Cluster]
	switch {
	case context.Cluster == "":
		return errcat.New("ContextBroken", "names no cluster: set its cluster")
	case cluster == nil:
		return errcat.Errorf("ContextBroken", "names cluster %q, which is not there: add the cluster or remove the context", context.Cluster)
	case cluster.Server == "":
		return errcat.Errorf("ContextBroken", "uses cluster %q, which has no server: add its address", context.Cluster)
	case context.AuthInfo != "" && config.AuthInfos[context.AuthInfo] == nil:
		return errcat.Errorf("ContextBroken", "names user %q, which is not there: add the user or remove the context", context.AuthInfo)
	}
	return nil
}

// Namespace that a context names, DefaultNamespace when it names none.
func Namespace(config *api.Config, name string) string {
	if context := config.Contexts[name]; context != nil && context.Namespace != "" {
		return context.Namespace
	}
	return DefaultNamespace
}

// File carries the credentials of a file's current context. Unlike client-go it takes
// the pod's own credentials for no file that is given.
func File(path string) (*rest.Config, error) {
	config, err := Load(path)
	if err != nil {
		return nil, err
	}
	name, err := Current(config)
	if err != nil {
		return nil, err
	}
	return ClientConfig(config, name)
}
