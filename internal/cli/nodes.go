package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/nodework"
	"github.com/edgeway-io/edgeway/internal/observe"
	"github.com/edgeway-io/edgeway/internal/server"
)

// newNodes is the command "nodes".
func newNodes() *cobra.Command {
	cmd := &cobra.Command{
		Use: "nodes", Short: "Join, list, change and retire edge nodes",
		Long: `Works with your own rights. A node that joined by an enrollment is changed through
it, for which the right to patch edgeenrollments in namespace edgeway-join is enough;
any other edge node is changed itself. Cloud nodes are left alone.`,
	}
	cmd.AddCommand(
		newNodesJoin(),
		newTopVerb("list", "List edge nodes with their tunnels", false, listNodes),
		newNodesLeave(),
		newNodesVerb("cordon NODE...", "Let no new pods onto edge nodes", "", cobra.MinimumNArgs(1), cordonAll(true)),
		newNodesVerb("uncordon NODE...", "Let new pods onto edge nodes again", "", cobra.MinimumNArgs(1), cordonAll(false)),
		newNodesVerb("label NODE KEY=VALUE|KEY-...", "Set labels of an edge node, or take them off",
			"  edgeway nodes label jetson-xavier site=berlin camera-", cobra.MinimumNArgs(2), labelNode),
		newNodesVerb("taint NODE KEY[=VALUE]:EFFECT|KEY[[=VALUE]:EFFECT]-...", "Set taints of an edge node, or take them off",
			"  edgeway nodes taint jetson-xavier gpu=yes:NoSchedule old-", cobra.MinimumNArgs(2), taintNode),
	)
	return cmd
}

// nodeClients acts with the credentials of config.
func nodeClients(config *rest.Config) (nodework.Clients, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nodework.Clients{}, err
	}
	objects, err := server.NewObjectClient(config)
	return nodework.Clients{Kube: kube, Objects: objects}, err
}

// nodes acts with the kubeconfig's own credentials.
func (t *target) nodes(cmd *cobra.Command) (nodework.Clients, error) {
	config, err := t.config(cmd)
	if err != nil {
		return nodework.Clients{}, err
	}
	return nodeClients(config)
}

// newNodesVerb is a verb that changes nodes and prints what it did.
func newNodesVerb(use, short, example string, args cobra.PositionalArgs,
	do func(context.Context, nodework.Clients, []string, io.Writer) error) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: func(cmd *cobra.Command, words []string) error {
			if err := args(cmd, words); err != nil {
				return usage(err)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, words []string) error {
			clients, err := t.nodes(cmd)
			if err != nil {
				return err
			}
			return do(cmd.Context(), clients, words, cmd.OutOrStdout())
		},
	}
	t.flags(cmd)
	return cmd
}

func cordonAll(cordoned bool) func(context.Context, nodework.Clients, []string, io.Writer) error {
	done := "uncordoned"
	if cordoned {
		done = "cordoned"
	}
	return func(ctx context.Context, c nodework.Clients, nodes []string, w io.Writer) error {
		var failed error
		for _, node := range nodes {
			_, err := c.EdgeNode(ctx, node)
			if err == nil {
				err = c.Cordon(ctx, node, cordoned)
			}
			if err != nil { // the other nodes are changed all the same
				failed = errors.Join(failed, fmt.Errorf("%s not %s: %w", node, done, err))
				continue
			}
			fmt.Fprintf(w, "%s %s\n", node, done)
		}
		return failed
	}
}

func labelNode(ctx context.Context, c nodework.Clients, words []string, w io.Writer) error {
	change, err := nodework.ParseLabels(words[1:])
	if err != nil {
		return usage(err)
	}
	if err := c.Change(ctx, words[0], nodework.Metadata{Labels: change}); err != nil {
		return err
	}
	fmt.Fprintln(w, words[0], "labeled")
	return nil
}

func taintNode(ctx context.Context, c nodework.Clients, words []string, w io.Writer) error {
	change, err := nodework.ParseTaints(words[1:])
	if err != nil {
		return usage(err)
	}
	if err := c.Change(ctx, words[0], nodework.Metadata{Taints: change}); err != nil {
		return err
	}
	fmt.Fprintln(w, words[0], "tainted")
	return nil
}

// listNodes is the table of edge nodes.
func listNodes(ctx context.Context, c topClients, o *topOptions) (table, error) {
	selector := v1alpha1.LabelEdge
	if o.selector != "" {
		selector += "," + o.selector
	}
	nodes, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return table{}, err
	}
	t := table{head: []string{"NAME", "STATE", "TUNNEL", "ADDRESS", "ARCH", "VERSION", "TAINTS", "AGE"}}
	rows := make([]observe.Node, 0, len(nodes.Items))
	for i := range nodes.Items {
		n := observe.NodeOf(&nodes.Items[i])
		rows = append(rows, n)
		t.rows = append(t.rows, []string{n.Name, stateOf(n), n.Tunnel, orDash(n.Address), n.Arch, n.Version, taintsOf(n), age(n.Created)})
	}
	t.full = rows
	return t, nil
}

func stateOf(n observe.Node) string {
	state := n.State
	if n.StateReason != "" && state != "Ready" {
		state += " (" + n.StateReason + ")"
	}
	if !n.Schedulable {
		state += ",SchedulingDisabled"
	}
	return state
}

func taintsOf(n observe.Node) string {
	var out []string
	for _, t := range n.Taints {
		taint := corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)}
		out = append(out, taint.ToString())
	}
	return orDash(strings.Join(out, ","))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// age as kubectl's column AGE shows it.
func age(since time.Time) string { return duration.HumanDuration(time.Since(since)) }
