// Package device is what edgectl does on an edge device: join, leave, status.
package device

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/edge/preflight"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// ErrPreflight is wrapped when the device cannot join.
var ErrPreflight = errcat.New("PreflightFailed", "this device cannot join yet")

// ErrOtherNode is returned when the device has joined under another name already.
var ErrOtherNode = errcat.New("OtherNode", "this device has joined already: run edgectl leave first")

// ErrInterrupted is wrapped when the join was ended from outside.
var ErrInterrupted = errcat.New("Interrupted", "the join was interrupted")

// ErrSpent is joined to what failed after the code was redeemed.
var ErrSpent = errcat.New("CodeSpent", "the join code is used up: give this join up in the console and begin again there")

// PreflightError carries the failed probes.
type PreflightError struct {
	Report preflight.Report
	// Ignored are the IDs of probes whose failure does not count.
	Ignored []string
}

// Failures are the probes that keep the device from joining.
func (e *PreflightError) Failures() []preflight.Report {
	return slices.DeleteFunc(e.Report.Failures(), func(r preflight.Report) bool { return slices.Contains(e.Ignored, r.ID) })
}

// Error lists what failed with its remedies.
func (e *PreflightError) Error() string {
	text := ErrPreflight.Error()
	for _, f := range e.Failures() {
		text += fmt.Sprintf("\n  %s: %s\n    → %s", f.Title, f.Detail, f.Remedy)
	}
	return text
}

// Unwrap makes errors.Is find ErrPreflight.
func (e *PreflightError) Unwrap() error { return ErrPreflight }

// Device is the machine and the person in front of it.
type Device struct {
	At paths.Layout
	// Progress gets one line per step.
	Progress io.Writer
	// Arch in Go's words.
	Arch string
	// Self is the running edgectl's file.
	Self string
	// Poll is how often to ask the console for the status.
	Poll time.Duration
}

func (d *Device) say(format string, args ...any) {
	// Somebody who closed the terminal still wants the join to end well.
	_, _ = fmt.Fprintf(d.Progress, "edgectl: "+format+"\n", args...)
}
