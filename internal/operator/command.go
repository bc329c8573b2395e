package operator

import (
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// Command is iptables-operator's command line.
func Command() *cobra.Command {
	o := Options{}
	cmd := &cobra.Command{
		Use:   "iptables-operator",
		Short: "Keep this cloud node's kernel routing requests for edge nodes to their CloudCore",
		Long: `iptables-operator runs on every cloud node in the host's network namespace and
needs the capability NET_ADMIN. It keeps nftables table "inet edgeway" equal to
the cluster's EdgeRouteSlice and EdgeRouteTargets objects, and reports in the
CloudNodeRoutes object of its node. When it ends, the rules stay; --cleanup
removes them.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return Run(cmd.Context(), o, logger(o.Verbose))
		},
	}
	cmd.AddCommand(uninstallCommand())
	f := cmd.Flags()
	f.StringVar(&o.Kubeconfig, "kubeconfig", "", "kubeconfig `file`; in-cluster configuration when empty")
	f.StringVar(&o.NodeName, "node-name", os.Getenv("NODE_NAME"), "`name` of this node; NODE_NAME when not given")
	f.StringVar(&o.Backend, "backend", BackendAuto, "what holds the routes: auto or nftables")
	f.StringVar(&o.MetricsAddress, "metrics-bind-address", "127.0.0.1:9469", "`HOST:PORT` of Prometheus metrics; 0 serves none")
	f.StringVar(&o.HealthAddress, "health-probe-bind-address", "127.0.0.1:9470", "`HOST:PORT` of /healthz and /readyz; 0 serves none")
	f.BoolVar(&o.Cleanup, "cleanup", false, "remove everything of ours from the kernel, then end")
	f.BoolVar(&o.Verbose, "verbose", false, "log every update")
	return cmd
}

// logger writes JSON to standard error, Kubernetes libraries' messages included.
func logger(verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	h := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})
	log := slog.New(h)
	klog.SetSlogLogger(log)
	ctrl.SetLogger(logr.FromSlogHandler(h))
	return log
}
