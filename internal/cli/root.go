// Package cli is the command line of edgeway. Commands write their result to
// standard output and everything else to standard error.
package cli

import (
	"github.com/spf13/cobra"
)

// NewRoot is the command "edgeway" with the verbs for KubeEdge on a cluster.
// Others are added with AddCommand.
func NewRoot(version string) *cobra.Command {
	root := &cobra.Command{
		Use:   "edgeway",
		Short: "Bring KubeEdge to Kubernetes clusters",
		Long: `edgeway switches KubeEdge on and off on clusters, joins edge nodes and serves the console.

Exit codes: 0 done, 1 failed, 2 bad input, 3 conflict with another change or
another KubeEdge, 4 no permission.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(newEnable(), newConfigure(), newDisable(), newStatus(), newPlan(), newSettings(), newClusters(), newLogs(), newTop(), newNodes(), NewConsole(version))
	return root
}
