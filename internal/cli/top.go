package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	"github.com/edgeway-io/edgeway/internal/observe"
)

// topOptions are the flags that the verbs of "edgeway top" share.
type topOptions struct {
	target    target
	output    string
	watch     bool
	every     time.Duration
	selector  string
	namespace string
	all       bool
}

// topClients act with the kubeconfig's own credentials.
type topClients struct {
	kube      kubernetes.Interface
	metrics   metrics.MetricsV1beta1Interface
	samples   observe.Samples
	namespace string
}

// newTop is the command "top".
func newTop() *cobra.Command {
	cmd := &cobra.Command{
		Use: "top", Short: "Show what nodes, pods and containers use",
		Long: `Shows live figures with your own rights. Nodes and pods come from metrics.k8s.io,
as with kubectl top; containers come from edge-watcher's samples, with network, disk
and swap. A figure that is not there is shown as "-", never as 0; -o json has the cause.`,
	}
	cmd.AddCommand(
		newTopVerb("nodes", "Show CPU and memory of nodes", false, topNodes),
		newTopVerb("pods", "Show CPU and memory of pods", true, topPods),
		newTopVerb("containers", "Show CPU, memory, swap, network and disk of containers", true, topContainers),
	)
	return cmd
}

// table is what a verb prints: the same rows as text and, in full, as JSON.
type table struct {
	head []string
	rows [][]string
	full any
}

func newTopVerb(use, short string, namespaced bool, read func(context.Context, topClients, *topOptions) (table, error)) *cobra.Command {
	o := &topOptions{}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			clients, err := o.clients(cmd)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), cmd.OutOrStdout(), func(ctx context.Context) (table, error) { return read(ctx, clients, o) })
		},
	}
	f := cmd.Flags()
	o.target.clusterFlags(f)
	f.StringVarP(&o.output, "output", "o", "table", "table or json")
	f.BoolVarP(&o.watch, "watch", "w", false, "print again and again, until interrupted")
	f.DurationVar(&o.every, "every", 10*time.Second, "pause of --watch")
	f.StringVarP(&o.selector, "selector", "l", "", "label selector")
	if namespaced {
		namespaceFlag(f, &o.namespace)
		f.BoolVarP(&o.all, "all-namespaces", "A", false, "all namespaces")
	}
	return cmd
}

func (o *topOptions) check() error {
	if o.output != "table" && o.output != "json" {
		return usage(fmt.Errorf("--output %q: choose table or json", o.output))
	}
	if _, err := labels.Parse(o.selector); err != nil {
		return usage(fmt.Errorf("--selector %q: %w; write it like app=web,tier!=db", o.selector, err))
	}
	if o.every < time.Second {
		return usage(fmt.Errorf("--every %s: choose 1s or more", o.every))
	}
	if o.all && o.namespace != "" {
		return usage(errors.New("--all-namespaces and --namespace: choose one"))
	}
	return nil
}

func (o *topOptions) clients(cmd *cobra.Command) (topClients, error) {
	config, namespace, err := o.target.open(cmd)
	if err != nil {
		return topClients{}, err
	}
	out, err := topClientsOf(config)
	out.namespace = o.namespace
	if out.namespace == "" && !o.all {
		out.namespace = namespace
	}
	return out, err
}

func topClientsOf(config *rest.Config) (topClients, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return topClients{}, err
	}
	m, err := metrics.NewForConfig(config)
	if err != nil {
		return topClients{}, err
	}
	return topClients{kube: kube, metrics: m, samples: observe.NewSamples(kube.CoreV1().RESTClient())}, nil
}

// run prints once or, with --watch, again and again. A failure while watching is
// told and does not end it: edge nodes come and go.
func (o *topOptions) run(ctx context.Context, w io.Writer, read func(context.Context) (table, error)) error {
	for first := true; ; first = false {
		t, err := read(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (first || !o.watch):
			return err
		case err != nil:
			fmt.Fprintln(w, "edgeway:", err)
		default:
			if err := o.print(w, t, first); err != nil {
				return err
			}
		}
		if !o.watch {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(o.every):
		}
	}
}
