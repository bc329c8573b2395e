package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/kubeconfig"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/conntrack"
	"github.com/edgeway-io/edgeway/internal/netrules/host"
	"github.com/edgeway-io/edgeway/internal/reconnect"
)

// errNotReady is what the readiness probe says until the kernel holds the routes.
var errNotReady = errors.New("the kernel does not hold the routes yet")

// ownNetNS stands for the network namespace that the process is in.
const ownNetNS = 0

// Run works until ctx ends; what is in the kernel stays there.
func Run(ctx context.Context, o Options, log *slog.Logger) error {
	if err := o.Validate(); err != nil {
		return err
	}
	keepSmall()
	if o.RemoveForeign {
		return removeForeign(ctx, log)
	}
	backend, err := openBackend(ctx, o.Backend, ownNetNS, log)
	if err != nil {
		return err
	}
	defer func() {
		if err := backend.Close(); err != nil {
			log.Warn("netlink not closed", "error", err)
		}
	}()
	if o.Cleanup {
		return cleanup(ctx, backend, log)
	}
	mgr, err := newManager(o, log)
	if err != nil {
		return err
	}
	return start(ctx, mgr, o.NodeName, backend, log)
}

func cleanup(ctx context.Context, backend netrules.Backend, log *slog.Logger) error {
	addrs, err := backend.Cleanup(ctx)
	if err != nil {
		return fmt.Errorf("remove rules: %w", err)
	}
	connections, err := conntrack.PurgeRedirected(ownNetNS, addrs)
	if err != nil {
		return fmt.Errorf("rules are removed, but not all redirected connections: %w", err)
	}
	log.Info("removed all rules", "routes", len(addrs), "connections", connections)
	return nil
}

// newManager makes a manager without caches: the feed keeps no objects, and the
// only one that is read otherwise is this node's CloudNodeRoutes.
func newManager(o Options, log *slog.Logger) (ctrl.Manager, error) {
	cfg, err := restConfig(o.Kubeconfig)
	if err != nil {
		return nil, err
	}
	reconnect.Wrap(cfg, log)
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register API types: %w", err)
	}
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme:                 scheme,
		Client:                 client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&v1alpha1.CloudNodeRoutes{}}}},
		Metrics:                server.Options{BindAddress: o.MetricsAddress},
		HealthProbeBindAddress: o.HealthAddress,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the Kubernetes API: %w", err)
	}
	return mgr, nil
}

func restConfig(path string) (*rest.Config, error) {
	cfg, err := podOrFile(path)
	if err != nil {
		return nil, fmt.Errorf("read --kubeconfig %q: %w", path, err)
	}
	cfg.UserAgent = "iptables-operator"
	return cfg, nil
}

// podOrFile: a file that is given is used or is an error, in a pod too.
func podOrFile(path string) (*rest.Config, error) {
	if path == "" {
		return rest.InClusterConfig()
	}
	return kubeconfig.File(path)
}

// start wires the parts together and runs them.
func start(ctx context.Context, mgr ctrl.Manager, node string, backend netrules.Backend, log *slog.Logger) error {
	m, err := newMetrics(ctrlmetrics.Registry, backend)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	model := netrules.NewModel()
	report := newReport(node, host.Routable)
	l := &loop{
		log: log, feed: newFeed(), model: model, backend: backend, report: report, metrics: m,
		purger: newPurger(log, ownNetNS, model, m), local: host.Addresses,
		generations: map[string]int64{}, invalid: map[feedKey]error{},
	}
	ready := func(*http.Request) error {
		if !report.isReady() {
			return errNotReady
		}
		return nil
	}
	alive := func(*http.Request) error { return nil }
	if err := errors.Join(mgr.AddHealthzCheck("alive", alive), mgr.AddReadyzCheck("routes", ready)); err != nil {
		return fmt.Errorf("add probes: %w", err)
	}
	tasks := []task{
		func(ctx context.Context) error {
			if err := l.feed.watch(ctx, mgr.GetConfig(), mgr.GetScheme(), node); err != nil {
				return endOf(ctx, err)
			}
			return l.run(ctx)
		},
		(&foreignLooker{log: log, netNS: ownNetNS, report: report, remains: remainsOf(backend)}).run,
		l.purger.run,
		(&statusWriter{log: log, client: mgr.GetClient(), report: report}).run,
		(&counterReader{log: log, backend: backend, report: report}).run,
	}
	for _, t := range tasks {
		if err := mgr.Add(t); err != nil {
			return fmt.Errorf("add task: %w", err)
		}
	}
	return mgr.Start(ctx)
}

// task is work that a manager runs beside its caches.
type task func(context.Context) error

// Start implements manager.Runnable.
func (t task) Start(ctx context.Context) error { return t(ctx) }

// endOf hides the error of a wait that a shutdown interrupted.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
