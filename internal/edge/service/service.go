// Package service keeps EdgeCore running: under systemd, under OpenRC, or, where
// neither runs, under a small supervisor of edgectl's own. EdgeCore ends by
// itself now and then (its tunnel code can panic when a reader leaves), so
// whichever it is must start it again.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// Names of the managers, as the journal records them.
const (
	Systemd    = "systemd"
	OpenRC     = "openrc"
	Supervisor = "supervisor"
)

// File that a manager wants in place.
type File struct {
	Place string
	Data  []byte
	Mode  fs.FileMode
}

// Manager of the one service.
type Manager interface {
	// Name is one of the constants above.
	Name() string
	// Files to be in place before Start.
	Files() []File
	// Start starts the service now and at every boot, where the manager can do that.
	Start(ctx context.Context) error
	// Stop ends it and takes it out of the boot; no error when it does not run.
	Stop(ctx context.Context) error
	// Running tells whether it runs.
	Running(ctx context.Context) (bool, error)
	// Log writes the last lines of EdgeCore's output.
	Log(ctx context.Context, w io.Writer, part Part) error
}

// Part of EdgeCore's output.
type Part struct {
	// Lines at most, the last ones.
	Lines int
	// Since leaves out what is older where the output is systemd's journal, Skip the
	// first bytes where it is a file.
	Since time.Time
	Skip  int64
}

// Now is the part of the output that is still to come, of so many lines at most.
func Now(at paths.Layout, lines int) Part {
	p := Part{Lines: lines, Since: time.Now()}
	if info, err := os.Stat(at.At(paths.Log)); err == nil {
		p.Skip = info.Size()
	}
	return p
}

// Detect chooses the manager that runs on this device.
func Detect(at paths.Layout) Manager {
	if isDir(at.At(paths.SystemdMarker)) {
		return &systemd{at: at}
	}
	if isDir(at.At(paths.OpenRCMarker)) {
		return &openrc{at: at}
	}
	return &supervised{at: at}
}

// Named returns the manager that a join recorded.
func Named(name string, at paths.Layout) (Manager, error) {
	switch name {
	case Systemd:
		return &systemd{at: at}, nil
	case OpenRC:
		return &openrc{at: at}, nil
	case Supervisor:
		return &supervised{at: at}, nil
	}
	return nil, errcat.Errorf("ServiceUnknown", "the join's record names service manager %q, which this edgectl does not know", name)
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// succeeded tells a command that ran and said no from one that could not run.
func succeeded(ctx context.Context, name string, args ...string) (bool, error) {
	err := exec.CommandContext(ctx, name, args...).Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return true, nil
}
