package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/figures"
	"github.com/edgeway-io/edgeway/internal/samples/serve"
	"github.com/edgeway-io/edgeway/internal/streamcert"
	"github.com/edgeway-io/edgeway/internal/watcher"
	"github.com/edgeway-io/edgeway/internal/watcher/enrollment"
	"github.com/edgeway-io/edgeway/internal/watcher/impersonation"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
	"github.com/edgeway-io/edgeway/internal/watcher/syncrecords"
)

// extensions are the controllers of other packages, in the order in which they are
// added.
func extensions(log *slog.Logger) []watcher.Extension {
	asks := &asking{}
	return []watcher.Extension{streamCertificate(log), asks.extension(), joining(asks), impersonating(), forgetting(), sampling(asks, log)}
}

// streamCertificate keeps the certificates of CloudStream and of the gate before it
// from running out.
func streamCertificate(log *slog.Logger) watcher.Extension {
	var hosts []string
	return watcher.Extension{
		AddFlags: func(fs *pflag.FlagSet) {
			fs.StringArrayVar(&hosts, "tunnel-host", nil, "IP address or DNS name at which devices dial stream-gate (repeatable); none: no stream-gate runs")
		},
		Setup: func(mgr ctrl.Manager, _ *nodes.Store, _ *watcher.Options) error {
			client, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
			if err != nil {
				return fmt.Errorf("make client for the stream certificate: %w", err)
			}
			return mgr.Add(streamcert.NewRenewer(client, v1alpha1.KubeEdgeNamespace, hosts, log))
		},
	}
}

// asking reads figures of nodes for the extensions after it.
type asking struct {
	*figures.Reader
	kubeletCA string
}

func (a *asking) extension() watcher.Extension {
	return watcher.Extension{
		AddFlags: func(fs *pflag.FlagSet) {
			fs.StringVar(&a.kubeletCA, "kubelet-ca-file", "", "CA of the cloud nodes' kubelets; they are not verified when it is empty or the file is missing")
		},
		Setup: func(mgr ctrl.Manager, store *nodes.Store, _ *watcher.Options) error {
			var err error
			a.Reader, err = figures.ForManager(mgr, store, a.kubeletCA)
			return err
		},
	}
}

// joining follows enrollments from the reservation to the first log line.
func joining(asks *asking) watcher.Extension {
	var options enrollment.Options
	return watcher.Extension{
		AddFlags: func(fs *pflag.FlagSet) { options.AddFlags(fs) },
		Setup: func(mgr ctrl.Manager, store *nodes.Store, o *watcher.Options) error {
			options.ServiceCIDRs = o.Networks.Current
			return enrollment.SetupWithManager(mgr, store, asks, options)
		},
	}
}

// impersonating lets CloudCore act for edge nodes and for nobody else.
func impersonating() watcher.Extension {
	return watcher.Extension{Setup: func(mgr ctrl.Manager, store *nodes.Store, _ *watcher.Options) error {
		return impersonation.SetupWithManager(mgr, store)
	}}
}

// forgetting deletes what CloudCore leaves behind of deleted Nodes.
func forgetting() watcher.Extension {
	return watcher.Extension{Setup: func(mgr ctrl.Manager, store *nodes.Store, _ *watcher.Options) error {
		return syncrecords.SetupWithManager(mgr, store)
	}}
}

// sampling takes and serves the samples of nodes, pods and containers.
func sampling(asks *asking, log *slog.Logger) watcher.Extension {
	var options serve.Options
	return watcher.Extension{
		AddFlags: func(fs *pflag.FlagSet) { options.AddFlags(fs) },
		Setup: func(mgr ctrl.Manager, store *nodes.Store, _ *watcher.Options) error {
			return serve.SetupWithManager(mgr, store, asks, options, log)
		},
	}
}
