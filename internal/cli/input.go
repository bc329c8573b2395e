package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/edgeway-io/edgeway/internal/runtime"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// input is where a command takes settings from.
type input struct {
	file string
	set  []string
}

func (i *input) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&i.file, "filename", "f", "", "settings file in YAML or JSON, over the defaults; - for standard input")
	cmd.Flags().StringArrayVar(&i.set, "set", nil, "one setting, as cloudHub.nodeLimit=200; over the file, or over what is in force")
}

// settings are the file over the defaults or, without a file, what is in force
// (the defaults when nothing is); then the --set flags in their order.
func (i *input) settings(ctx context.Context, cmd *cobra.Command, r *runtime.Runtime) (settings.Settings, error) {
	s, err := i.base(ctx, cmd, r)
	if err != nil {
		return s, err
	}
	for _, assignment := range i.set {
		if s, err = settings.Set(s, assignment); err != nil {
			return s, fmt.Errorf("--set %s: %w", assignment, err)
		}
	}
	return s, nil
}

func (i *input) base(ctx context.Context, cmd *cobra.Command, r *runtime.Runtime) (settings.Settings, error) {
	if i.file != "" {
		data, err := i.read(cmd)
		if err != nil {
			return settings.Settings{}, err
		}
		return settings.Parse(data)
	}
	status, err := r.Status(ctx)
	if err != nil {
		return settings.Settings{}, err
	}
	s, err := status.InForce()
	if errors.Is(err, runtime.ErrNotEnabled) {
		return settings.Default(settings.NodePort), nil
	}
	return s, err
}

func (i *input) read(cmd *cobra.Command) ([]byte, error) {
	if i.file == "-" {
		data, err := io.ReadAll(cmd.InOrStdin())
		if err != nil {
			return nil, fmt.Errorf("read settings from standard input: %w", err)
		}
		return data, nil
	}
	data, err := os.ReadFile(i.file)
	if err != nil {
		return nil, usage(fmt.Errorf("read settings: %w", err))
	}
	return data, nil
}
