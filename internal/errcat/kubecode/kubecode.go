// Package kubecode gives what a cluster answers a code of package errcat. It is apart so
// that programs without a client of Kubernetes do not link one.
package kubecode

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Code is the code of an answer of the API server; empty when err is none.
func Code(err error) string {
	switch {
	case apierrors.IsUnauthorized(err):
		return "TokenRejected"
	case apierrors.IsForbidden(err):
		return "Forbidden"
	case apierrors.IsNotFound(err):
		return "NotFound"
	case apierrors.IsAlreadyExists(err):
		return "AlreadyExists"
	case apierrors.IsConflict(err):
		return "Conflict"
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return "Invalid"
	case apierrors.IsTooManyRequests(err):
		return "TooManyRequests"
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		return "ClusterTimeout"
	case apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err):
		return "ClusterUnreachable"
	case errors.Is(err, context.DeadlineExceeded):
		return "ClusterTimeout"
	}
	return ""
}

// Message is the message of err. Where client-go only says "an error on the server
// (unknown)", because a proxy or the API server answered without text, it says what was
// asked and what came.
func Message(err error) string {
	const unknown = `an error on the server ("unknown") has prevented the request from succeeding`
	msg := err.Error()
	var status apierrors.APIStatus
	if !strings.Contains(msg, unknown) || !errors.As(err, &status) {
		return msg
	}
	said := fmt.Sprintf("HTTP status %d came without a reason, from the API server or a proxy before it, for the request", status.Status().Code)
	return strings.Replace(msg, unknown, said, 1)
}
