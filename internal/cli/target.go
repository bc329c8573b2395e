package cli

import (
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/runtime"
)

// target is the cluster that a command works on.
type target struct {
	kubeconfig string
	context    string
	cluster    string
	verbose    bool
	members    memberOptions
}

func (t *target) flags(cmd *cobra.Command) {
	t.clusterFlags(cmd.Flags())
	cmd.Flags().BoolVarP(&t.verbose, "verbose", "v", false, "log what is done to standard error")
}

// clusterFlags say which cluster is meant.
func (t *target) clusterFlags(f *pflag.FlagSet) {
	t.contextFlags(f)
	f.StringVar(&t.cluster, "cluster", "", "cluster: a context of the kubeconfig, or one that --member-secrets or --member-kubesphere finds (default: the context)")
	t.members.sources(f)
}

// contextFlags are those of kubectl.
func (t *target) contextFlags(f *pflag.FlagSet) {
	f.StringVar(&t.kubeconfig, "kubeconfig", "", "kubeconfig file (default: as kubectl)")
	f.StringVar(&t.context, "context", "", "context of the kubeconfig (default: the current one)")
}

// runtime opens the cluster with the credentials of config.
func (t *target) runtime(cmd *cobra.Command) (*runtime.Runtime, error) {
	config, err := t.config(cmd)
	if err != nil {
		return nil, err
	}
	return runtime.New(config, t.log(cmd))
}

func (t *target) log(cmd *cobra.Command) *slog.Logger {
	level := slog.LevelWarn
	if t.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
}

// config reaches the cluster with the kubeconfig's own credentials, or a member with the
// credentials that are stored for it: who may read them may use them.
func (t *target) config(cmd *cobra.Command) (*rest.Config, error) {
	config, _, err := t.open(cmd)
	return config, err
}

// open is config with the namespace that the cluster's context names.
func (t *target) open(cmd *cobra.Command) (config *rest.Config, namespace string, err error) {
	local, err := t.local()
	if err != nil {
		return nil, "", err
	}
	name := t.cluster
	if name == "" {
		if name, err = local.Current(); err != nil {
			return nil, "", err
		}
	}
	log := slog.New(slog.DiscardHandler) // what is wrong with other members
	if t.verbose {
		log = t.log(cmd)
	}
	return t.members.config(cmd.Context(), local, name, log)
}

// local is the kubeconfig with the chosen context.
func (t *target) local() (*clusters.Kubeconfig, error) {
	local, err := t.members.local(t.kubeconfig)
	if err != nil {
		return nil, err
	}
	return local.WithContext(t.context)
}

// namespaceFlag is that of kubectl, for commands that read what has a namespace.
func namespaceFlag(f *pflag.FlagSet, into *string) {
	f.StringVarP(into, "namespace", "n", "", "namespace (default: the context's)")
}
