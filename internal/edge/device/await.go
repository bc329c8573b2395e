package device

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/internal/edge/edgelog"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// errNotRegistered: EdgeCore runs, but the cluster has not seen the node.
var errNotRegistered = errcat.New("NotRegistered", "the node has not registered in time")

// ErrNotThere is wrapped when the node registered, but did not get as far as was
// asked for. The join stays.
var ErrNotThere = errcat.New("NotArrived", "the node has joined, but is not as far as was asked for")

// Phases that a join can wait for, in order.
var phases = []string{"CodeUsed", "CertificateIssued", "Registered", "Ready", "TunnelUp", "Verified"}

// ValidWait tells whether a phase can be waited for.
func ValidWait(phase string) bool {
	return slices.Index(phases, phase) >= slices.Index(phases, "Registered")
}

func reached(phase, wanted string) bool {
	return slices.Index(phases, phase) >= slices.Index(phases, wanted)
}

// arrive waits until the node is in the cluster, as far as the origin can tell.
func (r *joining) arrive(ctx context.Context) error { return r.origin.arrive(ctx, r) }

// arrive follows the join in the cluster's eyes and prints what changes.
func (o *consoleOrigin) arrive(ctx context.Context, r *joining) error {
	deadline := time.Now().Add(r.Timeout)
	var last, why string
	look := time.Now().Add(lookAtOutput)
	for {
		s, err := o.client.Status(ctx, r.granted.StatusToken)
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			// The console may be restarted meanwhile; the deadline still holds.
			why = err.Error()
		} else {
			if s.Phase != last {
				r.say("%s", s.Phase)
				last = s.Phase
			}
			why = r.because(s, why)
			if done, err := r.settle(s); done || err != nil {
				return err
			}
		}
		if now := time.Now(); now.After(deadline) {
			return r.tooLate(ctx, why)
		} else if now.After(look) {
			r.tellTrouble(ctx)
			look = now.Add(lookAtOutput)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(r.Poll):
		}
	}
}

// settle marks the join complete as soon as the node has registered: from then on
// a failure is no reason to tear it down.
func (r *joining) settle(s *wire.Status) (done bool, err error) {
	if s.Phase == "Refused" || s.Phase == "Retired" || s.Phase == "Expired" {
		return true, errcat.Errorf("EnrollmentOver", "the enrollment is %s: create a new one in the console", s.Phase)
	}
	if reached(s.Phase, "Registered") && !r.journal.Complete {
		if err := r.complete(); err != nil {
			return true, err
		}
	}
	return reached(s.Phase, r.Wait), nil
}

// because is the message of the first condition that is not true, told once.
func (r *joining) because(s *wire.Status, before string) string {
	for _, c := range s.Conditions {
		if c.Status == "False" {
			if c.Message != before {
				r.say("  %s: %s", c.Type, c.Message)
			}
			return c.Message
		}
	}
	return ""
}

// tooLate gives EdgeCore's own reason where it is a known one: that is nearer to the
// cause than what the cluster sees.
func (r *joining) tooLate(ctx context.Context, why string) error {
	if trouble, ok := r.trouble(ctx); ok && (trouble.Cause != "" || why == "") {
		why = trouble.String()
	} else if ok {
		why += "; " + trouble.String()
	}
	if why != "" {
		why = ": " + why
	}
	if !r.journal.Complete {
		return fmt.Errorf("%w (%s)%s", errNotRegistered, r.Timeout, why)
	}
	return fmt.Errorf("%w (waited %s for %s)%s; EdgeCore goes on trying: see edgectl status", ErrNotThere, r.Timeout, r.Wait, why)
}

const (
	// outputLines of EdgeCore are looked at for its trouble, every lookAtOutput.
	outputLines  = 400
	lookAtOutput = 5 * time.Second
)

// tellTrouble tells a new trouble of EdgeCore's once.
func (r *joining) tellTrouble(ctx context.Context) {
	trouble, ok := r.trouble(ctx)
	if ok && trouble != r.told {
		r.told = trouble
		r.say("  %s", trouble)
	}
}

func (r *joining) trouble(ctx context.Context) (edgelog.Finding, bool) {
	var output strings.Builder
	if err := r.service.Log(ctx, &output, r.output); err != nil {
		return edgelog.Finding{}, false // the service itself is looked at elsewhere
	}
	return edgelog.First(output.String())
}
