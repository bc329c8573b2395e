package nodework

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/internal/drain"
)

// drain asks the node's pods to go until they are gone or the deadline has passed. What
// one request meets is told by step and ends neither the wait nor the other requests.
func (c Clients) drain(ctx context.Context, node string, o LeaveOptions, step func(string, string)) error {
	deadline := time.Now().Add(o.Timeout)
	for {
		left, err := c.pass(ctx, node, deadline)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		waits := drain.Waits(left, err)
		if waits == "" {
			return nil
		}
		step(StepDrain, waits)
		if !time.Now().Before(deadline) {
			if o.Force {
				return nil
			}
			return fmt.Errorf("%w after %s: %s. The node stays cordoned", ErrPodsLeft, o.Timeout, waits)
		}
		if err := pause(ctx, min(poll, time.Until(deadline))); err != nil {
			return err
		}
	}
}

func (c Clients) pass(ctx context.Context, name string, deadline time.Time) ([]drain.Left, error) {
	ctx, cancel := context.WithTimeout(ctx, drain.PassLimit(time.Until(deadline)))
	defer cancel()
	node, err := c.Kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the Node cannot be read: %w", err)
	}
	pods, err := c.podsOn(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("the pods of the node cannot be listed: %w", err)
	}
	return drain.Pass(ctx, pods, online(node), func(ctx context.Context, pod *corev1.Pod) error { return c.evict(ctx, pod) }), nil
}
