package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/nodework"
	"github.com/edgeway-io/edgeway/internal/oidc"
	"github.com/edgeway-io/edgeway/internal/runtime"
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
	msg := answered(err)
	var netErr net.Error
	switch {
	case errors.Is(err, nodework.ErrCloudNode):
		return invalid("node", msg, "choose an edge node")
	case errors.Is(err, nodework.ErrEdgeLabel):
		return invalid("labels", msg, "let the node leave instead")
	case errors.Is(err, nodework.ErrPodsLeft):
		return fail(http.StatusConflict, "DrainTimeout", msg, "end the pods, or force it")
	case errors.Is(err, nodework.ErrStalled):
		return fail(http.StatusGatewayTimeout, "LeaveStalled", msg, "remove what keeps it, then retire the node again")
	case errors.Is(err, nodework.ErrCalledOff):
		return fail(http.StatusConflict, "CalledOff", msg, "retire the node again if it is to leave")
	case errors.Is(err, nodework.ErrNoTaint):
		return invalid("taints", msg, "reload the page: the node's taints have changed")
	case errors.Is(err, nodework.ErrNotOurs):
		return fail(http.StatusUnprocessableEntity, "NotFromEnrollment", msg, "choose one that the enrolment gave")
	case errors.Is(err, runtime.ErrConflict):
		return fail(http.StatusConflict, "Conflict", msg, "reload the page, look at what is in force now, and try again")
	case errors.Is(err, runtime.ErrNotAdmin):
		return fail(http.StatusForbidden, "ClusterAdminRequired", msg, "ask an administrator of the cluster")
	case errors.Is(err, runtime.ErrForeign):
		return fail(http.StatusConflict, "ForeignKubeEdge", msg, "remove that KubeEdge first")
	case errors.Is(err, runtime.ErrNotEnabled):
		return fail(http.StatusConflict, "NotEnabled", msg, "enable KubeEdge first")
	case enroll.Absent(err):
		return fail(http.StatusConflict, "NotEnabled", "KubeEdge is not enabled on this cluster: "+msg, "enable KubeEdge first")
	case errors.Is(err, runtime.ErrRolledBack):
		return fail(http.StatusConflict, "RolledBack", msg, "see what the pods in namespace kubeedge say, correct the settings and try again")
	case errors.Is(err, runtime.ErrNoAddress):
		return fail(http.StatusConflict, "NoAddress", msg, "give the cluster a load balancer, or choose NodePort")
	case errors.Is(err, runtime.ErrNotReady):
		return fail(http.StatusConflict, "NotReady", msg, "see what the pods in namespace kubeedge say; enabling again continues")
	case errors.Is(err, clusters.ErrUnknown):
		return fail(http.StatusNotFound, "NoSuchCluster", msg, "choose one from the list of clusters")
	case errors.Is(err, errSignedOut):
		return issuerEnded()
	case errors.Is(err, clusters.ErrRefused):
		return fail(http.StatusBadGateway, "KubeconfigRefused", msg, "correct the stored kubeconfig of the cluster")
	case errors.Is(err, errStoredCredentials):
		return fail(http.StatusBadGateway, "KubeconfigRejected", msg, "store a kubeconfig with valid credentials for the cluster")
	case errors.Is(err, oidc.ErrUnreachable):
		return fail(http.StatusBadGateway, "IssuerUnreachable", msg, "check that the OIDC issuer is up and reachable from the console")
	case errors.Is(err, clusters.ErrSystemUser):
		return fail(http.StatusForbidden, "SystemUser", msg, "sign in as a person or as a user without the system: prefix")
	case apierrors.IsUnauthorized(err):
		return fail(http.StatusUnauthorized, "TokenRejected", msg, "sign in again with a valid token")
	case apierrors.IsForbidden(err):
		return fail(http.StatusForbidden, "Forbidden", msg, "ask a cluster administrator for this right")
	case apierrors.IsNotFound(err):
		return fail(http.StatusNotFound, "NotFound", msg, "")
	case apierrors.IsAlreadyExists(err):
		return fail(http.StatusConflict, "AlreadyExists", msg, "choose another name")
	case apierrors.IsConflict(err):
		return fail(http.StatusConflict, "Conflict", msg, "reload and try again")
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		out := fail(http.StatusUnprocessableEntity, "Invalid", msg, "correct the value")
		out.Problems = causesOf(err)
		return out
	case apierrors.IsTooManyRequests(err):
		return fail(http.StatusTooManyRequests, "TooManyRequests", msg, "wait a moment and try again")
	case errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		return fail(http.StatusGatewayTimeout, "ClusterTimeout", msg, "check that the cluster's API server is up and reachable from the console")
	case errors.As(err, &netErr), apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err):
		return fail(http.StatusBadGateway, "ClusterUnreachable", msg, "check that the cluster's API server is up and reachable from the console")
	}
	return fail(http.StatusInternalServerError, "Internal", msg, "")
}

// answered is the error's message. Where client-go only says "an error on the server
// (unknown)", because somebody between the console and the API server answered without
// text, it says what was asked and what came.
func answered(err error) string {
	const unknown = `an error on the server ("unknown") has prevented the request from succeeding`
	msg := err.Error()
	var status apierrors.APIStatus
	if !strings.Contains(msg, unknown) || !errors.As(err, &status) {
		return msg
	}
	said := fmt.Sprintf("HTTP status %d came without a reason, from the API server or a proxy before it, for the request", status.Status().Code)
	return strings.Replace(msg, unknown, said, 1)
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
