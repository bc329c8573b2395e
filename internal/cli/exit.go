package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/errcat/kubecode"
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
var errUsage = errcat.New("Usage", "wrong usage")

// usage wraps an error of the command line.
func usage(err error) error { return fmt.Errorf("%w: %w", errUsage, err) }

// noArgs refuses arguments as bad input.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(fmt.Errorf("%s takes no argument %q", cmd.CommandPath(), args[0]))
	}
	return nil
}

// code is the catalog's code of an error.
func code(err error) string {
	var own *errcat.Error
	if errors.As(err, &own) {
		return own.Code
	}
	if enroll.Absent(err) {
		return "NotEnabled"
	}
	switch answer := kubecode.Code(err); answer {
	case "":
	case "TokenRejected":
		return "CredentialsRejected"
	default:
		return answer
	}
	return errcat.Code(err)
}

// ExitCode is the exit code of the process, which the catalog knows.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	entry, _ := errcat.Find(code(err))
	return entry.ExitEdgeway()
}

// remedy is what to do about err; empty where its message says so.
func remedy(err error) string {
	var own *errcat.Error
	if errors.As(err, &own) {
		return errcat.Remedy(err)
	}
	if entry, ok := errcat.Find(code(err)); ok && !entry.InMessage {
		return entry.Remedy
	}
	return ""
}

// told remembers that a result could not be written: a full disk is no success.
type told struct {
	io.Writer
	err error
}

// Write implements io.Writer.
func (w *told) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// Execute runs the command line and returns the exit code. Errors go to the
// root's standard error, with remedy and code.
func Execute(ctx context.Context, root *cobra.Command) int {
	out := &told{Writer: root.OutOrStdout()}
	root.SetOut(out)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("write the result: %w", out.err)
	}
	if err == nil {
		return ExitOK
	}
	if strings.HasPrefix(err.Error(), "unknown command") {
		err = usage(err)
	}
	w := root.ErrOrStderr()
	fmt.Fprintln(w, "edgeway:", kubecode.Message(err))
	if text := remedy(err); text != "" {
		fmt.Fprintln(w, "  →", text)
	}
	if errors.Is(err, errUsage) {
		fmt.Fprintf(w, "  → see '%s --help'\n", cmd.CommandPath())
	}
	fmt.Fprintf(w, "  (%s)\n", code(err))
	return ExitCode(err)
}
