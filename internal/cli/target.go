package cli

import (
	"log/slog"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/runtime"
)

// target is the cluster that a command works on.
type target struct {
	kubeconfig string
	cluster    string
	verbose    bool
}

func (t *target) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.kubeconfig, "kubeconfig", "", "kubeconfig file (default: as kubectl)")
	cmd.Flags().StringVar(&t.cluster, "cluster", "", "cluster: a context of the kubeconfig (default: the current one)")
	cmd.Flags().BoolVarP(&t.verbose, "verbose", "v", false, "log what is done to standard error")
}

// runtime opens the cluster with the kubeconfig's own credentials.
func (t *target) runtime(cmd *cobra.Command) (*runtime.Runtime, error) {
	config, err := t.config()
	if err != nil {
		return nil, err
	}
	level := slog.LevelWarn
	if t.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
	return runtime.New(config, log)
}

// config reaches the cluster with the kubeconfig's own credentials.
func (t *target) config() (*rest.Config, error) {
	all, err := clusters.FromKubeconfig(t.kubeconfig)
	if err != nil {
		return nil, err
	}
	name := t.cluster
	if name == "" {
		name = all.Host().Name
	}
	return all.Config(name)
}
