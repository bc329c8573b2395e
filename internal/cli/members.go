package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/internal/clusters"
)

// memberRefresh is how soon the console notices a cluster that came or went.
const memberRefresh = 15 * time.Second

// defaultHostName is how the pod's own cluster is called where no kubeconfig names it.
const defaultHostName = "host"

// memberOptions say where clusters are found beside the kubeconfig.
type memberOptions struct {
	hostName   string
	secrets    string
	kubeSphere bool
}

func (o *memberOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.hostName, "host-name", defaultHostName, "name of the pod's own cluster, where there is no kubeconfig")
	o.sources(f)
}

// sources are the flags that commands have as well.
func (o *memberOptions) sources(f *pflag.FlagSet) {
	f.StringVar(&o.secrets, "member-secrets", "", "namespace of the host cluster whose Secrets labeled "+clusters.LabelMember+"=true hold kubeconfigs of other clusters")
	f.BoolVar(&o.kubeSphere, "member-kubesphere", false, "take other clusters from KubeSphere's Cluster objects, too")
}

// clusters finds them once and keeps looking until ctx ends. Context is the one whose
// cluster is the host; empty for the current one.
func (o *memberOptions) clusters(ctx context.Context, kubeconfig, context string, log *slog.Logger) (clusters.Clusters, error) {
	local, err := o.local(kubeconfig)
	if err != nil {
		return nil, err
	}
	if local, err = local.WithContext(context); err != nil {
		return nil, err
	}
	// A console needs its host.
	host, err := local.Current()
	if err != nil {
		return nil, err
	}
	if _, err := local.Config(host); err != nil {
		return nil, err
	}
	for _, c := range local.List() {
		if c.Problem != "" {
			log.Warn("cluster cannot be used", "cluster", c.Name, "source", c.Source, "error", c.Problem)
		}
	}
	finders, err := o.finders(local)
	if err != nil {
		return nil, err
	}
	if len(finders) == 0 {
		return local, nil
	}
	registry := clusters.NewRegistry(local, log, finders...)
	registry.Refresh(ctx)
	go registry.Run(ctx, memberRefresh)
	return registry, nil
}

// finders look on the host cluster, with the host's own credentials.
func (o *memberOptions) finders(local *clusters.Kubeconfig) ([]clusters.Finder, error) {
	if o.secrets == "" && !o.kubeSphere {
		return nil, nil
	}
	host, err := local.Current()
	if err != nil {
		return nil, err
	}
	config, err := local.Config(host)
	if err != nil {
		return nil, err
	}
	var finders []clusters.Finder
	if o.secrets != "" {
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return nil, fmt.Errorf("client for --member-secrets: %w", err)
		}
		finders = append(finders, clusters.Secrets{Client: client, Namespace: o.secrets})
	}
	if o.kubeSphere {
		client, err := dynamic.NewForConfig(config)
		if err != nil {
			return nil, fmt.Errorf("client for --member-kubesphere: %w", err)
		}
		finders = append(finders, clusters.KubeSphere{Client: client})
	}
	return finders, nil
}

// config of one cluster, found once, with the namespace of its context. Contexts of the
// kubeconfig go first, and need no look at the host cluster.
func (o *memberOptions) config(ctx context.Context, local *clusters.Kubeconfig, name string, log *slog.Logger) (*rest.Config, string, error) {
	config, err := local.Config(name)
	if !errors.Is(err, clusters.ErrUnknown) {
		return config, local.Namespace(name), err
	}
	registry, told, findErr := o.find(ctx, local, log)
	if findErr != nil {
		return nil, "", findErr
	}
	if registry == nil {
		return nil, "", fmt.Errorf("%w; --member-secrets and --member-kubesphere look for it on the host cluster", err)
	}
	config, err = registry.Config(name)
	if !errors.Is(err, clusters.ErrUnknown) {
		return config, registry.Namespace(name), err
	}
	if err := firstOf(told); err != nil {
		return nil, "", err
	}
	var known []string
	for _, c := range registry.List() {
		known = append(known, c.Name)
	}
	return nil, "", fmt.Errorf("cluster %q: %w (known: %s)", name, clusters.ErrUnknown, strings.Join(known, ", "))
}

// find looks for members once. Without a place to look at, the registry is nil.
func (o *memberOptions) find(ctx context.Context, local *clusters.Kubeconfig, log *slog.Logger) (*clusters.Registry, []*telling, error) {
	finders, err := o.finders(local)
	if err != nil || len(finders) == 0 {
		return nil, nil, err
	}
	told := make([]*telling, len(finders))
	for i, f := range finders {
		told[i] = &telling{Finder: f}
		finders[i] = told[i]
	}
	registry := clusters.NewRegistry(local, log, finders...)
	registry.Refresh(ctx)
	return registry, told, nil
}

func firstOf(told []*telling) error {
	for _, t := range told {
		if t.err != nil {
			return t.err
		}
	}
	return nil
}

// telling remembers why a finder found nothing, which a console only logs.
type telling struct {
	clusters.Finder
	err error
}

// Find implements clusters.Finder.
func (t *telling) Find(ctx context.Context) ([]clusters.Member, error) {
	found, err := t.Finder.Find(ctx)
	t.err = err
	return found, err
}

// local is the kubeconfig, or the pod's own cluster.
func (o *memberOptions) local(kubeconfig string) (*clusters.Kubeconfig, error) {
	return clusters.Local(kubeconfig, cmp.Or(o.hostName, defaultHostName))
}
