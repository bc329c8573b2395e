package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// ErrNoAnswer means that the node did not answer in time. On an edge node this is
// what a broken or black-holed tunnel looks like.
var ErrNoAnswer = errcat.New("NodeUnreachable", "the node gave no answer in time")

// openTimeout bounds the wait for a log's first byte of header. kube-apiserver
// itself would wait 30 s for a node that drops packets.
const openTimeout = 8 * time.Second

// LogOptions choose a container's log and the part of it.
type LogOptions struct {
	Namespace, Pod, Container string
	// Follow keeps the log open; Previous reads the container's last life.
	Follow, Previous bool
	// Timestamps prefixes every line with RFC 3339 time, nanoseconds, and a space.
	Timestamps bool
	// Tail is the number of lines from the end; nil is all of them.
	Tail *int64
	// Since leaves out lines before that time; it is rounded down to seconds.
	Since *time.Time
	// LimitBytes ends the log after that many bytes; nil is no limit.
	LimitBytes *int64
	// Resume makes a Follower go on behind what was read before; nil is from the start.
	Resume *LogPosition
}

// LogPosition is a place in a log.
type LogPosition struct {
	// Time of the last line that was read, and how many Lines of exactly that time were.
	Time  time.Time
	Lines int
}

// ContainerState is what a log reader needs to know about a container.
type ContainerState struct {
	// Running: more lines may come.
	Running bool
	// Returns: it does not run, and will be started without anybody's doing.
	Returns bool
	// Started is when its present life began, nil when unknown.
	Started *time.Time
	// Detail says why not: Completed, CrashLoopBackOff, exit code 1 …
	Detail string
	// Edge: the container is on an edge node, behind a tunnel.
	Edge bool
}

// LogSource gives logs and the state of their containers.
type LogSource interface {
	Open(ctx context.Context, o LogOptions) (io.ReadCloser, error)
	State(ctx context.Context, o LogOptions) (ContainerState, error)
}

// KubeLogs is the LogSource of a cluster: the API that kubectl logs uses.
type KubeLogs struct{ client kubernetes.Interface }

// NewKubeLogs reads logs with the rights of client.
func NewKubeLogs(client kubernetes.Interface) *KubeLogs { return &KubeLogs{client: client} }

// Open opens a log, byte for byte as kubectl logs prints it. It gives up with
// ErrNoAnswer when the node does not begin to answer; not so a followed log, since
// a tunnel passes no header on before there is a line.
func (k *KubeLogs) Open(ctx context.Context, o LogOptions) (io.ReadCloser, error) {
	opts := &corev1.PodLogOptions{
		Container: o.Container, Follow: o.Follow, Previous: o.Previous,
		Timestamps: o.Timestamps, TailLines: o.Tail, LimitBytes: o.LimitBytes,
	}
	if o.Since != nil {
		t := metav1.NewTime(*o.Since)
		opts.SinceTime = &t
	}
	ctx, cancel := context.WithCancelCause(ctx)
	if !o.Follow {
		timer := time.AfterFunc(openTimeout, func() { cancel(ErrNoAnswer) })
		defer timer.Stop()
	}
	body, err := k.client.CoreV1().Pods(o.Namespace).GetLogs(o.Pod, opts).Stream(ctx)
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, ErrNoAnswer) {
			err = cause
		}
		cancel(nil)
		return nil, fmt.Errorf("open the log of %s/%s container %q: %w", o.Namespace, o.Pod, o.Container, err)
	}
	return &cancelBody{ReadCloser: body, cancel: cancel}, nil
}

// State tells whether the container runs and where.
func (k *KubeLogs) State(ctx context.Context, o LogOptions) (ContainerState, error) {
	pod, err := k.client.CoreV1().Pods(o.Namespace).Get(ctx, o.Pod, metav1.GetOptions{})
	if err != nil {
		return ContainerState{}, fmt.Errorf("get pod %s/%s: %w", o.Namespace, o.Pod, err)
	}
	var out ContainerState
	for _, c := range containersOf(pod) {
		if c.Name == o.Container {
			out.Running = c.State == "running" && pod.DeletionTimestamp == nil
			out.Returns = !out.Running && returns(pod, &c)
			out.Started = c.Started
			out.Detail = strings.TrimPrefix(c.Reason+": "+c.Message, ": ")
			out.Detail = strings.TrimSuffix(out.Detail, ": ")
			if out.Detail == "" && !out.Running {
				out.Detail = c.State
			}
		}
	}
	out.Edge = k.onEdge(ctx, pod)
	return out, nil
}

// returns tells whether a container that does not run will be started.
func returns(pod *corev1.Pod, c *Container) bool {
	if pod.DeletionTimestamp != nil || ended(pod) {
		return false
	}
	if c.State != "terminated" {
		return true
	}
	switch {
	case c.Kind == "ephemeral":
		return false
	case c.Kind == "init" && !c.sidecar:
		return c.ExitCode != nil && *c.ExitCode != 0 && pod.Spec.RestartPolicy != corev1.RestartPolicyNever
	case pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure:
		return c.ExitCode != nil && *c.ExitCode != 0
	}
	return pod.Spec.RestartPolicy != corev1.RestartPolicyNever
}

// onEdge asks the node; who may not read nodes learns it from the toleration that
// a pod needs to get there.
func (k *KubeLogs) onEdge(ctx context.Context, pod *corev1.Pod) bool {
	node, err := k.client.CoreV1().Nodes().Get(ctx, pod.Spec.NodeName, metav1.GetOptions{})
	if err == nil {
		_, edge := node.Labels[v1alpha1.LabelEdge]
		return edge
	}
	if !apierrors.IsForbidden(err) {
		return false
	}
	for _, t := range pod.Spec.Tolerations {
		if t.Key == v1alpha1.LabelEdge || t.Key == v1alpha1.TaintEdge {
			return true
		}
	}
	return false
}

// cancelBody releases the request's context with the body.
type cancelBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (b *cancelBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
