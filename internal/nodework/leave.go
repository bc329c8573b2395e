package nodework

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

const (
	// poll is the pause between two looks at a node that leaves.
	poll = 500 * time.Millisecond
	// defaultTimeout is edge-watcher's own for an enrollment without drainTimeout.
	defaultTimeout = 2 * time.Minute
	// settle is how long edge-watcher may take beyond the drain's deadline.
	settle = 45 * time.Second
)

// Names of the steps of leaving, in order. StepRetire is edge-watcher at work.
const (
	StepRetire = "retire"
	StepCordon = "cordon"
	StepDrain  = "drain"
	StepDelete = "delete"
	StepGone   = "gone"
)

// LeaveOptions bound how long pods may take.
type LeaveOptions struct {
	// Timeout for the pods to go. 0 takes edge-watcher's own, and looks once where the
	// node has no enrollment.
	Timeout time.Duration
	// Force goes on when pods are still there after it.
	Force bool
}

// Leave retires an edge node and returns when it is gone, or when it is certain that it
// does not go: ErrPodsLeft after the deadline without force, ErrStalled when edge-watcher
// does not act in time, ErrCalledOff when somebody set another state. step is told what
// happens.
func (c Clients) Leave(ctx context.Context, node string, o LeaveOptions, step func(name, message string)) error {
	e, err := c.patchSpec(ctx, node, func(spec *v1alpha1.EdgeEnrollmentSpec) error {
		spec.State, spec.Force = v1alpha1.StateRetired, o.Force
		if o.Timeout > 0 {
			spec.DrainTimeout = &metav1.Duration{Duration: o.Timeout}
		}
		return nil
	})
	if errors.Is(err, ErrNoEnrollment) || apierrors.IsForbidden(err) {
		return c.drainAndDelete(ctx, node, o, step)
	}
	if err != nil {
		return err
	}
	step(StepRetire, node)
	r := retirement{Clients: c, node: node, enrollment: client.ObjectKeyFromObject(e), generation: e.Generation, force: o.Force, step: step}
	return r.await(ctx, time.Now().Add(cmp.Or(o.Timeout, defaultTimeout)+settle))
}

// retirement is edge-watcher retiring a node while somebody waits for it.
type retirement struct {
	Clients
	node       string
	enrollment client.ObjectKey
	// generation of the enrollment with our wish in it: conditions of earlier ones answer
	// earlier wishes.
	generation int64
	force      bool
	step       func(name, message string)
	// uid of the Node; a device that registers again at once gets another one.
	uid string
	// said is what the last look found in the way.
	said string
}

// await looks again and again until the Node is gone or limit has passed. A look that
// fails is not the end: the API server may be away for a moment.
func (r *retirement) await(ctx context.Context, limit time.Time) error {
	for {
		gone, err := r.look(ctx)
		switch {
		case err != nil:
			return err
		case gone:
			r.step(StepGone, r.node)
			return nil
		case time.Now().After(limit):
			said := cmp.Or(r.said, "edge-watcher has not begun; is its pod in namespace "+v1alpha1.KubeEdgeNamespace+" running?")
			return fmt.Errorf("node %s %w: %s", r.node, ErrStalled, said)
		}
		if err := pause(ctx, poll); err != nil {
			return err
		}
	}
}

func (r *retirement) look(ctx context.Context) (gone bool, err error) {
	node, err := r.Kube.CoreV1().Nodes().Get(ctx, r.node, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return false, err
	case err != nil:
		r.tell(fmt.Sprintf("the Node cannot be read: %v", err))
		return false, nil
	case r.uid != "" && r.uid != string(node.UID):
		return true, nil
	}
	r.uid = string(node.UID)
	var e v1alpha1.EdgeEnrollment
	if err := r.Objects.Get(ctx, r.enrollment, &e); err != nil {
		if !apierrors.IsNotFound(err) {
			r.tell(fmt.Sprintf("the enrollment cannot be read: %v", err))
		}
		return false, nil
	}
	// The device may have registered again since: what is there now is not the old Node.
	return e.Status.Phase == v1alpha1.PhaseRetired, r.judge(&e)
}

// judge ends the wait when the enrollment says that the node does not leave.
func (r *retirement) judge(e *v1alpha1.EdgeEnrollment) error {
	if e.Spec.State != v1alpha1.StateRetired {
		return fmt.Errorf("node %s: %w: the enrollment's state is %s now", r.node, ErrCalledOff, e.Spec.State)
	}
	retired := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionRetired)
	if retired == nil || retired.Status != metav1.ConditionFalse || retired.ObservedGeneration < r.generation {
		return nil
	}
	r.tell(retired.Message)
	switch {
	case retired.Reason == v1alpha1.ReasonDrainBlocked && !r.force:
		return fmt.Errorf("%w: %s. The node stays cordoned and edge-watcher keeps trying", ErrPodsLeft, retired.Message)
	case retired.Reason == v1alpha1.ReasonNotAnEdgeNode:
		return fmt.Errorf("node %s %w", r.node, ErrCloudNode)
	}
	return nil
}

func (r *retirement) tell(message string) {
	r.said = message
	r.step(StepRetire, message)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// drainAndDelete is the way for nodes without an enrollment.
func (c Clients) drainAndDelete(ctx context.Context, node string, o LeaveOptions, step func(string, string)) error {
	step(StepCordon, node)
	if err := c.setUnschedulable(ctx, node, true); apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
		return err
	} else if err != nil {
		// Without a cordon new pods may arrive; that is no reason to keep the others.
		step(StepCordon, fmt.Sprintf("the node cannot be cordoned: %v", err))
	}
	if err := c.drain(ctx, node, o, step); err != nil {
		return err
	}
	step(StepDelete, node)
	if err := c.Kube.CoreV1().Nodes().Delete(ctx, node, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	step(StepGone, node)
	return nil
}
