// Package watcher is edge-watcher: controllers that decide the routes to edge nodes
// and keep what goes with them. Each controller has one concern; the decisions are in
// package routes. Controllers of other packages join as an Extension.
package watcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/kubeconfig"
	"github.com/edgeway-io/edgeway/internal/reconnect"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

const (
	// apiServerSlice in namespace default holds kube-apiserver's own addresses.
	apiServerSlice = "kubernetes"
	// ciliumConfig in namespace kube-system configures Cilium's agent.
	ciliumConfig = "cilium-config"
)

// leaseName is the lease that replicas compete for, in namespace kubeedge.
const leaseName = "edge-watcher"

// Extension is a controller of another package.
//
// The manager's client caches the ConfigMap kubeedge/tunnelport, and EndpointSlices of
// namespace kubeedge, and no others; Nodes, Secrets and Pods are not
// cached at all. What is kept of Nodes is in the store.
type Extension struct {
	// AddFlags adds the controller's own flags; nil for none.
	AddFlags func(*pflag.FlagSet)
	// Setup adds the controller to the manager, with the flags parsed.
	Setup func(ctrl.Manager, *nodes.Store, *Options) error
}

// dependencies are what the controllers of this package share.
type dependencies struct {
	options  *Options
	findings *findings
	metrics  *metrics
	pods     *podSource
	nodes    *nodes.Store
	notes    *noteBoard
	health   *health
	log      *slog.Logger
}

// Run works until ctx ends or the lease is lost. Extensions are set up in their
// order, after the controllers of this package.
func Run(ctx context.Context, o *Options, log *slog.Logger, extensions ...Extension) error {
	if err := o.Validate(); err != nil {
		return err
	}
	// Both libraries log through package variables; this is the one place that sets them.
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler()))
	klog.SetSlogLogger(log)

	limitMemory()
	config, err := restConfig(o.Kubeconfig)
	if err != nil {
		return err
	}
	reconnect.Wrap(config, log)
	mgr, err := newManager(config, o)
	if err != nil {
		return err
	}
	d, err := newDependencies(mgr, o, log)
	if err != nil {
		return err
	}
	for _, setup := range []func(ctrl.Manager, *dependencies) error{setupRoutes, setupConditions, setupCluster} {
		if err := setup(mgr, d); err != nil {
			return fmt.Errorf("set up controller: %w", err)
		}
	}
	for _, extension := range extensions {
		if err := extension.Setup(mgr, d.nodes, o); err != nil {
			return fmt.Errorf("set up controller: %w", err)
		}
	}
	return mgr.Start(ctx)
}

// memoryLimit is what the garbage collector works harder to stay under; with 100,000
// Nodes some 100 MiB live. It is no bound: more Nodes get more memory.
const memoryLimit = 320 << 20

// limitMemory leaves a limit that was chosen with GOMEMLIMIT as it is.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

func restConfig(path string) (*rest.Config, error) {
	config, err := podOrFile(path)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %q: %w", path, err)
	}
	// The apiserver's priority and fairness decides how fast we may be, not a fixed rate.
	config.QPS = -1
	config.UserAgent = "edge-watcher"
	return config, nil
}

// podOrFile: a file that is given is used or is an error, in a pod too.
func podOrFile(path string) (*rest.Config, error) {
	if path == "" {
		return rest.InClusterConfig()
	}
	return kubeconfig.File(path)
}

func newManager(config *rest.Config, o *Options) (ctrl.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: metricsserver.Options{BindAddress: o.MetricsBindAddress},
		Cache:   cacheOptions(),
		Client: client.Options{Cache: &client.CacheOptions{
			DisableFor: []client.Object{&corev1.Node{}, &corev1.Pod{}, &corev1.Secret{}},
		}},
		HealthProbeBindAddress:        o.HealthProbeBindAddress,
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       v1alpha1.KubeEdgeNamespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, fmt.Errorf("create manager: %w", err)
	}
	err = errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("caches", synced(func(ctx context.Context) error {
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errors.New("caches are not synced yet")
		}
		return nil
	})))
	return mgr, err
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
}

// cacheOptions keep memory small: of every kind only what a controller reads.
func cacheOptions() cache.Options {
	named := func(name string) cache.Config {
		return cache.Config{FieldSelector: fields.OneTermEqualSelector("metadata.name", name)}
	}
	return cache.Options{
		DefaultTransform: trimManagedFields,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.ConfigMap{}: {Namespaces: map[string]cache.Config{
				v1alpha1.KubeEdgeNamespace: named(v1alpha1.TunnelPortConfigMap),
				metav1.NamespaceSystem:     named(ciliumConfig),
			}},
			&discoveryv1.EndpointSlice{}: {Namespaces: map[string]cache.Config{
				v1alpha1.KubeEdgeNamespace: {},
				metav1.NamespaceDefault:    named(apiServerSlice),
			}},
			&v1alpha1.EdgeEnrollment{}: {Namespaces: map[string]cache.Config{v1alpha1.JoinNamespace: {}}},
		},
	}
}

// synced is ready on every replica, leader or not, once it could take over.
func synced(wait func(context.Context) error) healthz.Checker {
	return func(r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		return wait(ctx)
	}
}

func newDependencies(mgr ctrl.Manager, o *Options, log *slog.Logger) (*dependencies, error) {
	m, err := newMetrics(ctrlmetrics.Registry)
	if err != nil {
		return nil, err
	}
	pods, err := newPodSource(mgr)
	if err != nil {
		return nil, err
	}
	store, err := nodes.NewStore(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, err
	}
	configured, err := o.ServicePrefixes()
	if err != nil {
		return nil, err
	}
	o.Networks = &Networks{configured: configured, live: mgr.GetAPIReader(), log: log}
	writes := &health{now: time.Now}
	err = errors.Join(mgr.Add(store), mgr.Add(o.Networks), mgr.AddReadyzCheck("nodes", synced(store.WaitForSync)), mgr.AddReadyzCheck("writes", writes.check))
	return &dependencies{
		options: o, findings: &findings{nodes: store}, metrics: m, pods: pods, log: log,
		nodes: store, notes: &noteBoard{}, health: writes,
	}, err
}
