package cli

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/edgeway-io/edgeway/internal/clusters"
)

// clusterRow is one cluster as the command "clusters" prints it.
type clusterRow struct {
	Name      string          `json:"name"`
	Current   bool            `json:"current"`
	Source    clusters.Source `json:"source"`
	Server    string          `json:"server,omitempty"`
	Namespace string          `json:"namespace"`
	// Problem says why the cluster cannot be used.
	Problem string `json:"problem,omitempty"`
}

// known is what a kubeconfig and a registry have in common.
type known interface {
	List() []clusters.Cluster
	Namespace(name string) string
}

func newClusters() *cobra.Command {
	var t target
	var o output
	cmd := &cobra.Command{
		Use: "clusters", Short: "List the clusters that commands can work on", Args: noArgs,
		Long: `Lists the contexts of the kubeconfig and, with --member-secrets or --member-kubesphere,
the clusters that the host cluster knows. One that cannot be used is shown with the
reason. No cluster but the host is asked anything.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return listClusters(cmd, &t, &o) },
	}
	t.contextFlags(cmd.Flags())
	t.members.sources(cmd.Flags())
	o.flags(cmd)
	return cmd
}

// listClusters prints what is known also when one of the places could not be read, and
// then fails with the reason.
func listClusters(cmd *cobra.Command, t *target, o *output) error {
	if err := o.check(); err != nil {
		return err
	}
	local, err := t.local()
	if err != nil {
		return err
	}
	registry, told, err := t.members.find(cmd.Context(), local, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	var all known = local
	if registry != nil {
		all = registry
	}
	rows := []clusterRow{}
	for _, c := range all.List() {
		rows = append(rows, clusterRow{Name: c.Name, Current: c.Host, Source: c.Source, Server: c.Server, Namespace: all.Namespace(c.Name), Problem: c.Problem})
	}
	if err := o.write(cmd.OutOrStdout(), rows, func(w io.Writer) { printClusters(w, rows) }); err != nil {
		return err
	}
	return firstOf(told)
}

func printClusters(w io.Writer, rows []clusterRow) {
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(tw, "CURRENT\tNAME\tSOURCE\tSERVER\tNAMESPACE\tPROBLEM")
	for _, r := range rows {
		current := ""
		if r.Current {
			current = "*"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", current, r.Name, r.Source, cmp.Or(r.Server, absent), r.Namespace, cmp.Or(r.Problem, absent))
	}
	tw.Flush()
}
