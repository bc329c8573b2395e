package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/internal/clusters"
)

// memberRefresh is how soon the console notices a cluster that came or went.
const memberRefresh = 15 * time.Second

// memberOptions say where clusters are found beside the kubeconfig.
type memberOptions struct {
	hostName   string
	secrets    string
	kubeSphere bool
}

func (o *memberOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.hostName, "host-name", "host", "name of the pod's own cluster, where there is no kubeconfig")
	f.StringVar(&o.secrets, "member-secrets", "", "namespace of the host cluster whose Secrets labelled "+clusters.LabelMember+"=true hold kubeconfigs of other clusters")
	f.BoolVar(&o.kubeSphere, "member-kubesphere", false, "take other clusters from KubeSphere's Cluster objects, too")
}

// clusters finds them once and keeps looking until ctx ends.
func (o *memberOptions) clusters(ctx context.Context, kubeconfig string, log *slog.Logger) (clusters.Clusters, error) {
	local, err := o.local(kubeconfig)
	if err != nil {
		return nil, err
	}
	if o.secrets == "" && !o.kubeSphere {
		return local, nil
	}
	config, err := local.Config(local.Host().Name)
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
	registry := clusters.NewRegistry(local, log, finders...)
	registry.Refresh(ctx)
	go registry.Run(ctx, memberRefresh)
	return registry, nil
}

// local is the kubeconfig, or the pod's own cluster.
func (o *memberOptions) local(kubeconfig string) (*clusters.Kubeconfig, error) {
	if kubeconfig == "" && os.Getenv("KUBECONFIG") == "" && os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return clusters.InCluster(o.hostName)
	}
	return clusters.FromKubeconfig(kubeconfig)
}
