package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/kubeconfig"
	"github.com/edgeway-io/edgeway/internal/nodework"
	"github.com/edgeway-io/edgeway/internal/observe"
	"github.com/edgeway-io/edgeway/internal/runtime"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// Exit codes, documented in the help of the root command.
const (
	ExitOK           = 0
	ExitFailed       = 1
	ExitBadInput     = 2
	ExitConflict     = 3
	ExitNoPermission = 4
)

// errUsage marks errors of the command line itself.
var errUsage = errors.New("wrong usage")

// usage wraps an error of the command line.
func usage(err error) error { return fmt.Errorf("%w: %w", errUsage, err) }

// noArgs refuses arguments as bad input.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(fmt.Errorf("%s takes no argument %q", cmd.CommandPath(), args[0]))
	}
	return nil
}

// ExitCode maps an error to the exit code of the process.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, errUsage), errors.Is(err, settings.ErrInvalid), errors.Is(err, clusters.ErrUnknown),
		errors.Is(err, clusters.ErrNoClusters), errors.Is(err, kubeconfig.ErrNoCurrent), errors.Is(err, kubeconfig.ErrUnreadable),
		errors.Is(err, observe.ErrNoWorkload), errors.Is(err, runtime.ErrNotEnabled), errors.Is(err, enroll.ErrInvalid),
		errors.Is(err, nodework.ErrCloudNode), errors.Is(err, nodework.ErrNotOurs), errors.Is(err, nodework.ErrEdgeLabel), errors.Is(err, nodework.ErrNoTaint):
		return ExitBadInput
	case errors.Is(err, runtime.ErrConflict), errors.Is(err, runtime.ErrForeign), errors.Is(err, nodework.ErrPodsLeft), errors.Is(err, nodework.ErrCalledOff):
		return ExitConflict
	case errors.Is(err, runtime.ErrNotAdmin), apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return ExitNoPermission
	default:
		return ExitFailed
	}
}

// Execute runs the command line and returns the exit code. Errors go to the
// root's standard error.
func Execute(ctx context.Context, root *cobra.Command) int {
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	if strings.HasPrefix(err.Error(), "unknown command") {
		err = usage(err)
	}
	fmt.Fprintln(root.ErrOrStderr(), "edgeway:", err)
	if errors.Is(err, errUsage) {
		fmt.Fprintf(root.ErrOrStderr(), "See '%s --help'.\n", cmd.CommandPath())
	}
	return ExitCode(err)
}
