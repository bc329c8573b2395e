package server

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/errcat/kubecode"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// Error is the body of every answer that is not a success.
type Error struct {
	status int

	Code     string             `json:"code" doc:"Stable word for programs, such as Forbidden."`
	Message  string             `json:"message" doc:"What went wrong."`
	Field    string             `json:"field,omitempty" doc:"Path of the field that was refused."`
	Remedy   string             `json:"remedy,omitempty" doc:"What to do about it."`
	Problems []settings.Problem `json:"problems,omitempty" doc:"All fields that were refused, when there may be several."`
}

// Error is the message with its code.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// GetStatus is the HTTP status.
func (e *Error) GetStatus() int { return e.status }

func fail(status int, code, message, remedy string) *Error {
	return &Error{status: status, Code: code, Message: message, Remedy: remedy}
}

// invalid refuses one field of the request.
func invalid(field, message, remedy string) *Error {
	return &Error{status: http.StatusUnprocessableEntity, Code: "Invalid", Message: message, Field: field, Remedy: remedy}
}

// configureLibrary makes the HTTP library build our Error, and describe lists as
// lists that are never null; it offers package variables for that and nothing else.
var configureLibrary = sync.OnceFunc(func() {
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		out := &Error{status: status, Code: codeOf(status), Message: msg}
		for _, err := range errs {
			if err == nil {
				continue
			}
			var d huma.ErrorDetailer
			if !errors.As(err, &d) {
				out.Message = msg + ": " + err.Error()
				continue
			}
			detail := d.ErrorDetail()
			field := strings.TrimPrefix(strings.TrimPrefix(detail.Location, "body."), "query.")
			if field == "body" {
				detail.Value = nil // a body that cannot be read may hold a token
			}
			out.Field = cmp.Or(out.Field, field)
			out.Problems = append(out.Problems, settings.Problem{
				Field: field, Value: detail.Value, Code: "Invalid",
				Message: detail.Message, Remedy: "correct the value",
			})
			out.Message = fmt.Sprintf("%s: %s", cmp.Or(out.Field, "request"), out.Problems[0].Message)
		}
		return out
	}
})

func codeOf(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "BadRequest"
	case http.StatusUnprocessableEntity:
		return "Invalid"
	case http.StatusInternalServerError:
		return "Internal"
	}
	return strings.ReplaceAll(http.StatusText(status), " ", "")
}

// kubeError turns what a cluster answered into our Error.
func kubeError(err error) error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var bad *settings.InvalidError
	if errors.As(err, &bad) {
		return problemsError(bad.Problems)
	}
	var problems enroll.Problems
	if errors.As(err, &problems) {
		return enrollError(problems)
	}
	msg := kubecode.Message(err)
	var coded *errcat.Error
	var netErr net.Error
	switch {
	case errors.Is(err, errSignedOut):
		return issuerEnded()
	case errors.As(err, &coded):
		return fromCatalog(coded.Code, coded.Field, msg, errcat.Remedy(err))
	case enroll.Absent(err):
		return fail(http.StatusConflict, "NotEnabled", "KubeEdge is not enabled on this cluster: "+msg, "enable KubeEdge first")
	}
	code := kubecode.Code(err)
	if code == "" && errors.As(err, &netErr) {
		code = "ClusterUnreachable"
	}
	if code == "" {
		return fail(http.StatusInternalServerError, "Internal", msg, "")
	}
	out := fromCatalog(code, "", msg, "")
	out.Remedy = clusterRemedies[code]
	if code == "Invalid" {
		out.Problems = causesOf(err)
	}
	return out
}

// clusterRemedies say what to do in the console about what a cluster answered.
var clusterRemedies = map[string]string{
	"TokenRejected":      "sign in again with a valid token",
	"Forbidden":          "ask a cluster administrator for this right",
	"AlreadyExists":      "choose another name",
	"Conflict":           "reload and try again",
	"Invalid":            "correct the value",
	"TooManyRequests":    "wait a moment and try again",
	"ClusterTimeout":     "check that the cluster's API server is up and reachable from the console",
	"ClusterUnreachable": "check that the cluster's API server is up and reachable from the console",
}

// fromCatalog is an error that has its code from where it arose.
func fromCatalog(code, field, message, remedy string) *Error {
	entry, ok := errcat.Find(code)
	if !ok || entry.Status == 0 {
		// A code of the command lines is no answer of the console.
		return fail(http.StatusInternalServerError, "Internal", message, remedy)
	}
	out := fail(entry.Status, code, message, remedy)
	out.Field = field
	return out
}

// causesOf names the fields that Kubernetes refuses, as our own requests name them.
func causesOf(err error) []settings.Problem {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var out []settings.Problem
	for _, c := range status.Status().Details.Causes {
		field := strings.TrimPrefix(strings.TrimPrefix(c.Field, "metadata."), "spec.")
		out = append(out, settings.Problem{Field: field, Code: string(c.Type), Message: c.Message, Remedy: "Correct the value"})
	}
	return out
}

func problemsError(problems []settings.Problem) *Error {
	out := &Error{status: http.StatusUnprocessableEntity, Code: "Invalid", Problems: problems}
	for _, p := range problems {
		if !p.Warning {
			out.Field, out.Message, out.Remedy = p.Field, p.Message, p.Remedy
			break
		}
	}
	return out
}

func enrollError(problems enroll.Problems) *Error {
	out := make([]settings.Problem, 0, len(problems))
	for _, p := range problems {
		out = append(out, settings.Problem{Field: p.Field, Value: p.Value, Code: p.Code,
			Message: p.At() + strings.TrimSpace(fmt.Sprintf("%q %s", p.Value, p.Message)), Remedy: p.Remedy})
	}
	return problemsError(out)
}
