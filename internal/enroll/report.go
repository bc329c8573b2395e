package enroll

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

// Bounds of what a device's report leaves in an enrollment, in signs.
const (
	maxChecks    = 16
	maxCheckID   = 64
	maxCheckText = 512
	maxSummary   = 1024
)

// ErrNothingToReport refuses a report that says nothing.
var ErrNothingToReport = &wire.Error{Code: wire.BadRequest, Message: "the report names neither a failed check nor a reason",
	Remedy: "join with the edgectl that this console serves"}

// Report puts into the enrollment why its device does not join. It takes the code, as
// a redemption does, and a used one too, as long as the node has not registered.
func (r *Redeemer) Report(ctx context.Context, report wire.ReportRequest) error {
	checks := plainChecks(report.Checks)
	reason, message := v1alpha1.ReasonPreflightFailed, plain(failedTitles(checks), maxSummary)
	if len(checks) == 0 {
		reason, message = v1alpha1.ReasonJoinFailed, plain(report.Message, maxCheckText)
	}
	if message == "" {
		return ErrNothingToReport
	}
	e, err := r.find(ctx, report.Code)
	if err != nil {
		return err
	}
	if err := r.reportable(e); err != nil {
		return err
	}
	return r.write(ctx, e, func(e *v1alpha1.EdgeEnrollment) {
		e.Status.FailedChecks = checks
		setCondition(e, r.now(), v1alpha1.ConditionDeviceChecked, metav1.ConditionFalse, reason, message)
	})
}

// reportable: a node that is there speaks for itself.
func (r *Redeemer) reportable(e *v1alpha1.EdgeEnrollment) error {
	switch e.Status.Phase {
	case "", v1alpha1.PhasePending:
		return r.acceptable(e)
	case v1alpha1.PhaseCodeUsed, v1alpha1.PhaseCertificateIssued:
		if s := e.Spec.State; s == v1alpha1.StateRevoked || s == v1alpha1.StateRetired {
			return ErrCodeRevoked
		}
		return nil
	}
	return ErrCodeUsed
}

// noted writes the refusal of a code into its enrollment, for whoever follows the
// join, and returns the refusal. What edge-watcher refused is there already.
func (r *Redeemer) noted(ctx context.Context, e *v1alpha1.EdgeEnrollment, refused error) error {
	var w *wire.Error
	if !errors.As(refused, &w) || e.Status.Phase == v1alpha1.PhaseRefused {
		return refused
	}
	err := r.write(ctx, e, func(e *v1alpha1.EdgeEnrollment) {
		setCondition(e, r.now(), v1alpha1.ConditionCodeAccepted, metav1.ConditionFalse, w.Code, w.Message)
	})
	return errors.Join(refused, err)
}

// accepted clears what earlier tries have left.
func accepted(e *v1alpha1.EdgeEnrollment, now time.Time) {
	e.Status.FailedChecks = nil
	setCondition(e, now, v1alpha1.ConditionDeviceChecked, metav1.ConditionTrue, v1alpha1.ReasonDeviceReady, "the device's own checks found nothing")
	setCondition(e, now, v1alpha1.ConditionCodeAccepted, metav1.ConditionTrue, "Redeemed", "the device has redeemed its code")
}

// write changes the status until nobody else has changed it meanwhile. A change that
// says nothing new is not written, so that repeating it costs nothing.
func (r *Redeemer) write(ctx context.Context, e *v1alpha1.EdgeEnrollment, change func(*v1alpha1.EdgeEnrollment)) error {
	key := client.ObjectKeyFromObject(e)
	for {
		before := e.Status.DeepCopy()
		change(e)
		if equality.Semantic.DeepEqual(before, &e.Status) {
			return nil
		}
		err := r.client.Status().Update(ctx, e)
		if err == nil {
			return nil
		}
		if !apierrors.IsConflict(err) || ctx.Err() != nil {
			return fmt.Errorf("writing into enrollment %s: %w", e.Name, err)
		}
		e = &v1alpha1.EdgeEnrollment{}
		if err := r.client.Get(ctx, key, e); err != nil {
			return fmt.Errorf("reading enrollment %s: %w", key.Name, err)
		}
	}
}

func setCondition(e *v1alpha1.EdgeEnrollment, now time.Time, kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&e.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message,
		ObservedGeneration: e.Generation, LastTransitionTime: metav1.NewTime(now)})
}

func failedTitles(checks []v1alpha1.FailedCheck) string {
	titles := make([]string, len(checks))
	for i, c := range checks {
		titles[i] = c.Title
		if c.Detail != "" {
			titles[i] += ": " + c.Detail
		}
	}
	return strings.Join(titles, "; ")
}

func plainChecks(in []wire.FailedCheck) []v1alpha1.FailedCheck {
	var out []v1alpha1.FailedCheck
	for _, c := range in[:min(len(in), maxChecks)] {
		one := v1alpha1.FailedCheck{ID: plain(c.ID, maxCheckID), Title: plain(c.Title, maxCheckText),
			Detail: plain(c.Detail, maxCheckText), Remedy: plain(c.Remedy, maxCheckText)}
		if one.Title != "" {
			out = append(out, one)
		}
	}
	return out
}

// plain makes one line of at most most signs without control characters: it is shown
// in browsers and terminals.
func plain(s string, most int) string {
	out := make([]rune, 0, min(len(s), most))
	for _, sign := range s {
		if !unicode.IsPrint(sign) {
			sign = ' '
		}
		if len(out) == most {
			out[most-1] = '…'
			break
		}
		out = append(out, sign)
	}
	return strings.TrimSpace(string(out))
}
