package enrollment

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

const (
	defaultDrainTimeout = 2 * time.Minute
	drainEvery          = time.Second
	drainBlockedEvery   = 15 * time.Second
	mirrorAnnotation    = "kubernetes.io/config.mirror"
)

// retire takes the node out of the cluster: cordon, evict, delete. It is called
// until the Node is gone and may be called off before that.
func (r *Reconciler) retire(ctx context.Context, e *v1alpha1.EdgeEnrollment) (ctrl.Result, error) {
	var node corev1.Node
	err := r.live.Get(ctx, client.ObjectKey{Name: e.Spec.NodeName}, &node)
	if apierrors.IsNotFound(err) {
		return ctrl.Result{}, r.retired(ctx, e)
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading node %q: %w", e.Spec.NodeName, err)
	}
	if !isEdge(&node) {
		r.set(e, v1alpha1.ConditionRetired, false, "NotAnEdgeNode", "the Node does not carry label "+v1alpha1.LabelEdge+"; nothing is changed on it")
		return ctrl.Result{}, nil
	}
	if e.Status.RetiringSince == nil {
		e.Status.RetiringSince = &metav1.Time{Time: r.o.Now()}
	}
	before := node.DeepCopy()
	applyCordon(e, &node, true)
	if err := r.patchNode(ctx, before, &node); err != nil {
		return ctrl.Result{}, err
	}
	left, err := r.drain(ctx, &node)
	if err != nil {
		return ctrl.Result{}, err
	}
	if len(left) > 0 {
		overdue := r.o.Now().Sub(e.Status.RetiringSince.Time) > drainTimeout(e)
		if !overdue {
			r.set(e, v1alpha1.ConditionRetired, false, "Draining", fmt.Sprintf("%d pods have to go: %s", len(left), names(left)))
			return ctrl.Result{RequeueAfter: drainEvery}, nil
		}
		if !e.Spec.Force {
			r.set(e, v1alpha1.ConditionRetired, false, "DrainBlocked",
				fmt.Sprintf("%d pods are still there after %s: %s; end them, or set force", len(left), drainTimeout(e), names(left)))
			return ctrl.Result{RequeueAfter: drainBlockedEvery}, nil
		}
	}
	err = r.client.Delete(ctx, &node, client.Preconditions{UID: &node.UID})
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("deleting node %q: %w", node.Name, err)
	}
	return ctrl.Result{RequeueAfter: drainEvery}, nil
}

func drainTimeout(e *v1alpha1.EdgeEnrollment) time.Duration {
	if e.Spec.DrainTimeout != nil && e.Spec.DrainTimeout.Duration > 0 {
		return e.Spec.DrainTimeout.Duration
	}
	return defaultDrainTimeout
}

// drain asks for the eviction of every pod that moves, through the API that
// respects PodDisruptionBudgets, and returns those that still have to be waited for.
func (r *Reconciler) drain(ctx context.Context, node *corev1.Node) ([]string, error) {
	var pods corev1.PodList
	if err := r.live.List(ctx, &pods, client.MatchingFields{"spec.nodeName": node.Name}); err != nil {
		return nil, fmt.Errorf("listing the pods of node %q: %w", node.Name, err)
	}
	var left []string
	for i := range pods.Items {
		pod := &pods.Items[i]
		if !moves(pod) {
			continue
		}
		if !pod.DeletionTimestamp.IsZero() {
			// Nobody is there to confirm the end of a pod on a dead node; it is
			// collected once the Node is gone.
			if nodeReady(node) {
				left = append(left, pod.Namespace+"/"+pod.Name)
			}
			continue
		}
		err := r.client.SubResource("eviction").Create(ctx, pod, &policyv1.Eviction{})
		switch {
		case apierrors.IsNotFound(err):
		case err == nil, apierrors.IsTooManyRequests(err):
			left = append(left, pod.Namespace+"/"+pod.Name)
		default:
			return nil, fmt.Errorf("evicting pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
	}
	return left, nil
}

// moves leaves out what would come back at once (DaemonSets), what only the
// device can end (mirror pods), and what has ended.
func moves(pod *corev1.Pod) bool {
	if _, mirror := pod.Annotations[mirrorAnnotation]; mirror {
		return false
	}
	if owner := metav1.GetControllerOf(pod); owner != nil && owner.Kind == "DaemonSet" {
		return false
	}
	return pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

func names(pods []string) string {
	const most = 10
	slices.Sort(pods)
	if len(pods) > most {
		return strings.Join(pods[:most], ", ") + ", …"
	}
	return strings.Join(pods, ", ")
}

// retired makes a tombstone of the enrolment: it reserves nothing any more.
func (r *Reconciler) retired(ctx context.Context, e *v1alpha1.EdgeEnrollment) error {
	pods, err := r.probePods(ctx, e)
	if err != nil {
		return err
	}
	if err := r.deletePods(ctx, pods); err != nil {
		return err
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
	return nil
}

// tombstone watches for a retired device that comes back: its certificate is
// still good, so CloudCore lets it in. It is kept out of scheduling until
// somebody decides: Active takes it in again, deleting its Node sends it away.
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
		// Back to the start, with the device's presence noted: reserve lets it have
		// its own name.
		r.set(e, v1alpha1.ConditionReturned, true, "Readmitted", "the device is taken in again")
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
		"the retired device registered again and is cordoned; set the enrolment's state to Active to take it in, or run edgectl leave on it and delete its Node")
	return ctrl.Result{}, nil
}
