package cli

import (
	"github.com/spf13/cobra"

	"github.com/edgeway-io/edgeway/internal/runtime"
)

func newDisable() *cobra.Command {
	var t target
	var keepCA bool
	cmd := &cobra.Command{
		Use: "disable", Short: "Remove KubeEdge from a cluster", Args: noArgs,
		Long: `Remove KubeEdge from a cluster: routes, workloads, certificates and namespaces.

With --keep-ca the certificate authority and the enrollments stay, and joined edge
nodes come back when KubeEdge is enabled again. CRDs stay when they have objects.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := t.runtime(cmd)
			if err != nil {
				return err
			}
			return r.Disable(cmd.Context(), runtime.DisableOptions{KeepCA: keepCA}, progress(cmd.ErrOrStderr()))
		},
	}
	t.flags(cmd)
	cmd.Flags().BoolVar(&keepCA, "keep-ca", false, "keep the CA and the enrollments")
	return cmd
}
