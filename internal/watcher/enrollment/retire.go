package enrollment

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/drain"
)

const (
	defaultDrainTimeout = 2 * time.Minute
	drainEvery          = time.Second
	// blockedEvery is the pause between tries that need somebody's help to succeed.
	blockedEvery = 15 * time.Second
)

// retire takes the node out of the cluster: cordon, evict, delete. It is called until
// the Node is gone and may be called off before that.
//
// The deadline and Force hold whatever a step meets. What keeps a step from succeeding is
// told in the condition Retired, the other steps are taken all the same, and the step is
// tried again.
func (r *Reconciler) retire(ctx context.Context, e *v1alpha1.EdgeEnrollment) (ctrl.Result, error) {
	var node corev1.Node
	err := r.live.Get(ctx, client.ObjectKey{Name: e.Spec.NodeName}, &node)
	if apierrors.IsNotFound(err) {
		r.retired(ctx, e)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return r.stuck(e, v1alpha1.ReasonRetireFailed, fmt.Sprintf("the Node cannot be read: %v", err)), nil
	}
	if !isEdge(&node) {
		r.set(e, v1alpha1.ConditionRetired, false, v1alpha1.ReasonNotAnEdgeNode, "the Node does not carry label "+v1alpha1.LabelEdge+"; nothing is changed on it")
		return ctrl.Result{}, nil
	}
	if e.Status.RetiringSince == nil {
		e.Status.RetiringSince = &metav1.Time{Time: r.o.Now()}
	}
	deadline := e.Status.RetiringSince.Add(drainTimeout(e))
	// Without a cordon new pods may arrive; that is no reason to keep the others.
	cordoned := r.cordon(ctx, e, &node)
	left, err := r.drain(ctx, &node, deadline)
	if waits := drain.Waits(left, err); waits != "" {
		if cordoned != nil {
			waits += "; " + cordoned.Error()
		}
		switch {
		case !r.o.Now().After(deadline):
			r.set(e, v1alpha1.ConditionRetired, false, v1alpha1.ReasonDraining, waits)
			return ctrl.Result{RequeueAfter: drainEvery}, nil
		case !e.Spec.Force:
			return r.stuck(e, v1alpha1.ReasonDrainBlocked, fmt.Sprintf("after %s %s; end them, or set force", drainTimeout(e), waits)), nil
		}
	}
	err = r.client.Delete(ctx, &node, client.Preconditions{UID: &node.UID})
	if client.IgnoreNotFound(err) != nil {
		return r.stuck(e, v1alpha1.ReasonRetireFailed, fmt.Sprintf("the Node cannot be deleted: %v", err)), nil
	}
	return ctrl.Result{RequeueAfter: drainEvery}, nil
}

// stuck tells what keeps the node from leaving and tries again after a while. The error
// is not returned: the pauses would grow to a quarter of an hour, and the deadline with
// them.
func (r *Reconciler) stuck(e *v1alpha1.EdgeEnrollment, reason, message string) ctrl.Result {
	r.set(e, v1alpha1.ConditionRetired, false, reason, message)
	return ctrl.Result{RequeueAfter: blockedEvery}
}

func drainTimeout(e *v1alpha1.EdgeEnrollment) time.Duration {
	if e.Spec.DrainTimeout != nil && e.Spec.DrainTimeout.Duration > 0 {
		return e.Spec.DrainTimeout.Duration
	}
	return defaultDrainTimeout
}

func (r *Reconciler) cordon(ctx context.Context, e *v1alpha1.EdgeEnrollment, node *corev1.Node) error {
	before := node.DeepCopy()
	applyCordon(e, node, true)
	return r.patchNode(ctx, before, node)
}

// drain asks every pod that has to go to go, through the API that respects
// PodDisruptionBudgets, and returns those that are still there.
func (r *Reconciler) drain(ctx context.Context, node *corev1.Node, deadline time.Time) ([]drain.Left, error) {
	ctx, cancel := context.WithTimeout(ctx, drain.PassLimit(deadline.Sub(r.o.Now())))
	defer cancel()
	var pods corev1.PodList
	if err := r.live.List(ctx, &pods, client.MatchingFields{"spec.nodeName": node.Name}); err != nil {
		return nil, fmt.Errorf("the pods of the node cannot be listed: %w", err)
	}
	evict := func(ctx context.Context, pod *corev1.Pod) error {
		return r.client.SubResource("eviction").Create(ctx, pod, &policyv1.Eviction{})
	}
	return drain.Pass(ctx, pods.Items, nodeReady(node), evict), nil
}

// retired turns the enrollment into a tombstone, which holds neither name nor address.
func (r *Reconciler) retired(ctx context.Context, e *v1alpha1.EdgeEnrollment) {
	if err := r.deleteProbes(ctx, e); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "the probe pods of a retired node are left to the garbage collector")
	}
	e.Status.Phase = v1alpha1.PhaseRetired
	e.Status.FailedChecks = nil
	e.Status.RetiringSince, e.Status.CSR, e.Status.Certificate, e.Status.CA = nil, nil, nil, nil
	for _, kind := range []string{v1alpha1.ConditionNodeReady, v1alpha1.ConditionTunnelUp, v1alpha1.ConditionVerified,
		v1alpha1.ConditionDeviceChecked, v1alpha1.ConditionNodeConfigured, v1alpha1.ConditionReturned} {
		meta.RemoveStatusCondition(&e.Status.Conditions, kind)
	}
	r.set(e, v1alpha1.ConditionReserved, false, "Released", "name and address are free")
	r.set(e, v1alpha1.ConditionRetired, true, "NodeDeleted", "the Node is gone; run edgectl leave on the device")
}

func (r *Reconciler) deleteProbes(ctx context.Context, e *v1alpha1.EdgeEnrollment) error {
	pods, err := r.probePods(ctx, e)
	if err != nil {
		return err
	}
	return r.deletePods(ctx, pods)
}

// tombstone watches for a retired device that comes back: its certificate is still
// valid, so CloudCore admits it. The Node stays cordoned until somebody decides: state
// Active readmits the device, deleting its Node sends it away.
func (r *Reconciler) tombstone(ctx context.Context, e *v1alpha1.EdgeEnrollment) (ctrl.Result, error) {
	var node corev1.Node
	err := r.live.Get(ctx, client.ObjectKey{Name: e.Spec.NodeName}, &node)
	if apierrors.IsNotFound(err) || (err == nil && !isEdge(&node)) {
		meta.RemoveStatusCondition(&e.Status.Conditions, v1alpha1.ConditionReturned)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading node %q: %w", e.Spec.NodeName, err)
	}
	if e.Spec.State == v1alpha1.StateActive {
		// reserve decides anew. Condition Returned tells it that the Node of that name is
		// this enrollment's own.
		r.set(e, v1alpha1.ConditionReturned, true, "Readmitted", "the device is readmitted")
		e.Status.Phase = v1alpha1.PhaseRegistered
		meta.RemoveStatusCondition(&e.Status.Conditions, v1alpha1.ConditionReserved)
		meta.RemoveStatusCondition(&e.Status.Conditions, v1alpha1.ConditionRetired)
		return ctrl.Result{}, nil
	}
	before := node.DeepCopy()
	applyCordon(e, &node, true)
	if err := r.patchNode(ctx, before, &node); err != nil {
		return ctrl.Result{}, err
	}
	r.set(e, v1alpha1.ConditionReturned, true, "CameBack",
		"the retired device registered again and is cordoned; set the enrollment's state to Active to readmit it, or run edgectl leave on it and delete its Node")
	return ctrl.Result{}, nil
}
