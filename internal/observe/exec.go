package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	authv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// ErrNoProgram: the container's image lacks the program that was to be run.
var ErrNoProgram = errcat.New("NoProgram", "the container has no such program").Fix("choose another shell or a command that the image has")

// ExecOptions choose a program to run in a container, on a terminal.
type ExecOptions struct {
	Namespace, Pod, Container string
	Command                   []string
	// Stdin is read until its end, Stdout gets everything that the terminal shows.
	Stdin  io.Reader
	Stdout io.Writer
	// Sizes gives the terminal's size whenever it changes, the first at once.
	Sizes remotecommand.TerminalSizeQueue
}

// Exec runs a program in a container until it ends or ctx does, and gives its exit
// code. It asks for a WebSocket, and for SPDY where there is none, as kubectl does.
func Exec(ctx context.Context, config *rest.Config, client kubernetes.Interface, o ExecOptions) (int, error) {
	url := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(o.Namespace).Name(o.Pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: o.Container, Command: o.Command, Stdin: true, Stdout: true, TTY: true}, scheme.ParameterCodec).URL()
	ws, err := remotecommand.NewWebSocketExecutor(config, http.MethodGet, url.String())
	if err != nil {
		return 0, fmt.Errorf("prepare exec: %w", err)
	}
	spdy, err := remotecommand.NewSPDYExecutor(config, http.MethodPost, url)
	if err != nil {
		return 0, fmt.Errorf("prepare exec: %w", err)
	}
	executor, err := remotecommand.NewFallbackExecutor(ws, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return 0, fmt.Errorf("prepare exec: %w", err)
	}
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{
		Stdin: o.Stdin, Stdout: o.Stdout, Tty: true, TerminalSizeQueue: o.Sizes,
	})
	code, err := exitCode(err, o)
	if err != nil && ctx.Err() == nil && denied(ctx, client, o) {
		// The answer to a refused upgrade has no status that could be read.
		return 0, fmt.Errorf("exec: %w", apierrors.NewForbidden(corev1.Resource("pods/exec"), o.Pod, err))
	}
	return code, err
}

// denied asks whether it was for want of the right.
func denied(ctx context.Context, client kubernetes.Interface, o ExecOptions) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authv1.SelfSubjectAccessReview{
		Spec: authv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authv1.ResourceAttributes{
			Verb: "create", Resource: "pods", Subresource: "exec", Namespace: o.Namespace, Name: o.Pod,
		}},
	}, metav1.CreateOptions{})
	return err == nil && !review.Status.Allowed
}

// exitCode tells a program that ended from one that could not be started.
func exitCode(err error, o ExecOptions) (int, error) {
	var exit utilexec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case missing(err.Error()):
		return 0, fmt.Errorf("exec %q in %s/%s container %q: %w: %w", strings.Join(o.Command[:1], ""), o.Namespace, o.Pod, o.Container, ErrNoProgram, err)
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitStatus(), nil
	}
	return 0, fmt.Errorf("exec in %s/%s container %q: %w", o.Namespace, o.Pod, o.Container, err)
}

// missing knows how container runtimes say that there is no such program.
func missing(text string) bool {
	return strings.Contains(text, "executable file not found") ||
		strings.Contains(text, "exec failed") && strings.Contains(text, "no such file or directory")
}
