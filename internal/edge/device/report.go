package device

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

// reportLimit bounds the last thing that a failed join does.
const reportLimit = 10 * time.Second

// noted are refusals that the console puts into the enrollment by itself.
var noted = []string{wire.CodeUnknown, wire.CodeExpired, wire.CodeUsed, wire.CodeRevoked, wire.CSRInvalid, wire.NameTaken, wire.IPTaken, wire.Refused}

// failed tells the console why, for whoever follows the join there, and returns the
// reason. What the console itself has said it knows.
func (r *joining) failed(why error) error {
	var refused *wire.Error
	if errors.As(why, &refused) && slices.Contains(noted, refused.Code) {
		return why
	}
	// A context of its own: the reason may be that the join's was canceled.
	ctx, cancel := context.WithTimeout(context.Background(), reportLimit)
	defer cancel()
	if err := r.origin.report(ctx, ReportOf(why)); err != nil {
		r.say("the console could not be told: %v", err)
	}
	return why
}

// ReportOf is what the console learns of a failed join: the failed checks where there
// are some, else the error.
func ReportOf(why error) wire.ReportRequest {
	var checks *PreflightError
	if !errors.As(why, &checks) {
		return wire.ReportRequest{Message: strings.ReplaceAll(why.Error(), "\n", "; ")}
	}
	var out wire.ReportRequest
	for _, f := range checks.Failures() {
		out.Checks = append(out.Checks, wire.FailedCheck{ID: f.ID, Title: f.Title, Detail: f.Detail, Remedy: f.Remedy})
	}
	return out
}
