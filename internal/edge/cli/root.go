// Package cli is edgectl's command line. Progress and errors go to standard
// error, results to standard output; every error ends with what to do about it
// where that is known.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/edgeway-io/edgeway/internal/edge/device"
	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

// Exit codes of edgectl. docs/user-guide.md promises them to scripts; the installer
// adds 5 for an edgectl that could not be fetched.
const (
	exitOK        = 0
	exitFailed    = 1
	exitUsage     = 2
	exitPreflight = 3
	// exitNotThere: the device has joined, but is not as far as --wait asks.
	exitNotThere = 4
)

// mask of the files that edgectl makes: EdgeCore and people must be able to read what
// is meant for them, whatever the umask of the shell is. Keys have their own mode.
const mask = 0o022

// errUsage is wrapped by everything that the caller typed wrong.
var errUsage = errors.New("usage")

// Main runs edgectl and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	syscall.Umask(mask)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	cmd := root()
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "edgectl: error:", err)
	var w *wire.Error
	if errors.As(err, &w) && w.Remedy != "" {
		fmt.Fprintln(stderr, "  →", w.Remedy)
	}
	switch {
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, device.ErrSpent):
		return exitFailed // whatever it was, the code cannot be used again
	case errors.Is(err, device.ErrPreflight):
		return exitPreflight
	case errors.Is(err, device.ErrNotThere):
		return exitNotThere
	}
	return exitFailed
}

// common holds what every command needs.
type common struct {
	root string
	cmd  *cobra.Command
}

func root() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use:           "edgectl",
		Short:         "Joins this device to a cluster as an edge node, and takes it out again",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			c.cmd = cmd
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	cmd.PersistentFlags().StringVar(&c.root, "root", "/", "root directory to work under")
	// For trials only: the service still runs in the real system.
	_ = cmd.PersistentFlags().MarkHidden("root") // fails only for a flag that does not exist
	cmd.AddCommand(c.preflight(), c.join(), c.status(), c.logs(), c.leave(), c.start(), c.supervise())
	return cmd
}

func (c *common) device() (*device.Device, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding edgectl's own file: %w", err)
	}
	return &device.Device{At: paths.Layout{Root: c.root}, Progress: c.cmd.ErrOrStderr(), Arch: runtime.GOARCH, Self: self, Poll: time.Second}, nil
}
