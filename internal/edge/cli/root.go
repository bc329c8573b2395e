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
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/edgeway-io/edgeway/internal/edge/device"
	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// Exit codes that are not the catalog's. The installer adds 5 for an edgectl that could
// not be fetched.
const (
	exitOK     = 0
	exitFailed = 1
)

// mask of the files that edgectl makes: EdgeCore and people must be able to read what
// is meant for them, whatever the umask of the shell is. Keys have their own mode.
const mask = 0o022

// errUsage is wrapped by everything that the caller typed wrong.
var errUsage = errcat.New("Usage", "usage")

// usage makes err one of the command line; nil stays nil.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errUsage, err)
}

// Main runs edgectl and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	syscall.Umask(mask)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	cmd := NewRoot()
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	ran, err := cmd.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if strings.HasPrefix(err.Error(), "unknown command") { // cobra has no type for it
		err = usage(err)
	}
	fmt.Fprintln(stderr, "edgectl: error:", err)
	code, remedy := explain(err)
	if remedy != "" {
		fmt.Fprintln(stderr, "  →", remedy)
	}
	if errors.Is(err, errUsage) {
		fmt.Fprintf(stderr, "  → see '%s --help'\n", ran.CommandPath())
	}
	fmt.Fprintf(stderr, "  (%s)\n", code)
	return exitCode(err)
}

// explain gives an error's code and what to do about it. What the console refused has
// both from the console.
func explain(err error) (code, remedy string) {
	var refused *wire.Error
	if errors.As(err, &refused) {
		return refused.Code, refused.Remedy
	}
	return errcat.Code(err), errcat.Remedy(err)
}

// exitCode is the catalog's. Whatever went wrong after the code was spent, the device
// has not joined and the code is of no more use.
func exitCode(err error) int {
	var refused *wire.Error
	if errors.Is(err, device.ErrSpent) || errors.As(err, &refused) {
		return exitFailed
	}
	entry, _ := errcat.Find(errcat.Code(err))
	return entry.ExitEdgectl()
}

// common holds what every command needs.
type common struct {
	root string
	cmd  *cobra.Command
}

// NewRoot is the command "edgectl".
func NewRoot() *cobra.Command {
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
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	cmd.PersistentFlags().StringVar(&c.root, "root", "/", "root directory to work under")
	// For trials only: the service still runs in the real system.
	_ = cmd.PersistentFlags().MarkHidden("root") // fails only for a flag that does not exist
	cmd.AddCommand(c.preflight(), c.join(), c.status(), c.logs(), c.leave(), c.start(), c.supervise())
	for _, sub := range cmd.Commands() {
		check := sub.Args
		sub.Args = func(cmd *cobra.Command, args []string) error { return usage(check(cmd, args)) }
	}
	return cmd
}

func (c *common) device() (*device.Device, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding edgectl's own file: %w", err)
	}
	return &device.Device{At: paths.Layout{Root: c.root}, Progress: c.cmd.ErrOrStderr(), Arch: runtime.GOARCH, Self: self, Poll: time.Second}, nil
}
