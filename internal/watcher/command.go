package watcher

import (
	"log/slog"

	"github.com/spf13/cobra"
)

// NewCommand is the command edge-watcher. It runs extensions beside the
// controllers of this package until its context ends.
func NewCommand(log *slog.Logger, extensions ...Extension) *cobra.Command {
	options := DefaultOptions()
	cmd := &cobra.Command{
		Use:           "edge-watcher",
		Short:         "Decide the routes to KubeEdge's edge nodes",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return Run(cmd.Context(), options, log, extensions...)
		},
	}
	options.AddFlags(cmd.Flags())
	for _, extension := range extensions {
		if extension.AddFlags != nil {
			extension.AddFlags(cmd.Flags())
		}
	}
	return cmd
}
