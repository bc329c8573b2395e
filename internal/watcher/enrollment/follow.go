package enrollment

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
)

// follow takes the phase on from what the Node shows, and keeps the Node as the
// enrollment wants it.
func (r *Reconciler) follow(ctx context.Context, e *v1alpha1.EdgeEnrollment) (ctrl.Result, error) {
	var node corev1.Node
	err := r.live.Get(ctx, client.ObjectKey{Name: e.Spec.NodeName}, &node)
	if apierrors.IsNotFound(err) {
		if order[e.Status.Phase] >= order[v1alpha1.PhaseRegistered] {
			r.set(e, v1alpha1.ConditionNodeReady, false, "NodeGone", "the Node was deleted; retire this enrollment, or restart EdgeCore on the device")
		} else {
			r.missed(ctx, e)
		}
		return r.silent(e), nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading node %q: %w", e.Spec.NodeName, err)
	}
	if v1alpha1.ExpectedBy(&node) != "" {
		if e.Spec.State == v1alpha1.StateRevoked {
			return ctrl.Result{}, r.unexpect(ctx, e)
		}
		return r.silent(e), r.configure(ctx, e, &node)
	}
	advance(e, v1alpha1.PhaseRegistered)
	meta.RemoveStatusCondition(&e.Status.Conditions, v1alpha1.ConditionNodeExpected)
	if meta.IsStatusConditionFalse(e.Status.Conditions, v1alpha1.ConditionDeviceChecked) {
		// It came in all the same, mended or by another way.
		e.Status.FailedChecks = nil
		r.set(e, v1alpha1.ConditionDeviceChecked, true, v1alpha1.ReasonDeviceReady, "the node has registered")
	}
	if !isEdge(&node) {
		// CloudCore sets the label a moment after the Node is there.
		r.set(e, v1alpha1.ConditionNodeConfigured, false, "NotAnEdgeNode", "the Node does not carry label "+v1alpha1.LabelEdge+"; nothing is changed on it")
		return ctrl.Result{}, nil
	}
	if err := r.configure(ctx, e, &node); err != nil {
		return ctrl.Result{}, err
	}
	if !nodeReady(&node) {
		reason, message := notReady(&node)
		r.set(e, v1alpha1.ConditionNodeReady, false, reason, message)
		return ctrl.Result{}, nil
	}
	r.set(e, v1alpha1.ConditionNodeReady, true, "Ready", "the Node is Ready")
	advance(e, v1alpha1.PhaseReady)
	if !e.Spec.Components.EdgeStream {
		return ctrl.Result{}, nil
	}
	return r.followTunnel(ctx, e, &node)
}

// silence is how long a device that has its certificate may take to register until
// something is said about it. EdgeCore may still be on its way over a slow line.
const silence = 30 * time.Second

// silent says that a device with a certificate is not heard of: one that was switched
// off half-way cannot report it.
func (r *Reconciler) silent(e *v1alpha1.EdgeEnrollment) ctrl.Result {
	signed := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionCertificateIssued)
	if e.Status.Phase != v1alpha1.PhaseCertificateIssued || signed == nil || signed.Status != metav1.ConditionTrue {
		return ctrl.Result{}
	}
	if waitsForBundle(e) {
		// Somebody carries it there; that takes as long as it takes.
		return ctrl.Result{RequeueAfter: max(enroll.ExpiresAt(e).Sub(r.o.Now()), 0)}
	}
	if left := signed.LastTransitionTime.Add(silence).Sub(r.o.Now()); left > 0 {
		return ctrl.Result{RequeueAfter: left}
	}
	r.set(e, v1alpha1.ConditionNodeReady, false, "NotRegistered", "the device has its certificate and has not registered: it may still be fetching EdgeCore; "+
		"if its join was interrupted, run the same command there again, or edgectl leave")
	return ctrl.Result{}
}

// followTunnel: a CloudCore gives the Nodes whose tunnel it holds its own tunnel
// port as kubelet port.
func (r *Reconciler) followTunnel(ctx context.Context, e *v1alpha1.EdgeEnrollment, node *corev1.Node) (ctrl.Result, error) {
	ports, err := r.tunnelPorts(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	port := kubeletPort(node)
	if !ports[port] {
		r.set(e, v1alpha1.ConditionTunnelUp, false, "NoTunnel",
			fmt.Sprintf("no CloudCore holds the node's tunnel (its kubelet port is %d): is CloudStream's tunnel port reachable from the device?", port))
		return ctrl.Result{RequeueAfter: 2 * time.Second}, nil
	}
	r.set(e, v1alpha1.ConditionTunnelUp, true, "Connected", fmt.Sprintf("CloudCore %d holds the tunnel", port))
	advance(e, v1alpha1.PhaseTunnelUp)
	if e.Status.Phase == v1alpha1.PhaseVerified || e.Spec.State == v1alpha1.StateRevoked {
		return ctrl.Result{}, nil
	}
	return r.verify(ctx, e)
}

// tunnelPorts reads CloudCore's record.
func (r *Reconciler) tunnelPorts(ctx context.Context) (map[int32]bool, error) {
	var cm corev1.ConfigMap
	err := r.live.Get(ctx, client.ObjectKey{Namespace: v1alpha1.KubeEdgeNamespace, Name: v1alpha1.TunnelPortConfigMap}, &cm)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the record of tunnel ports: %w", err)
	}
	var record struct {
		Port map[string]bool `json:"port"`
	}
	raw := cm.Annotations[v1alpha1.TunnelPortAnnotation]
	if raw == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(raw), &record); err != nil {
		return nil, fmt.Errorf("reading the record of tunnel ports: %w", err)
	}
	ports := map[int32]bool{}
	for p := range record.Port {
		if n, err := strconv.ParseInt(p, 10, 32); err == nil {
			ports[int32(n)] = true
		}
	}
	return ports, nil
}

func isEdge(n *corev1.Node) bool {
	_, ok := n.Labels[v1alpha1.LabelEdge]
	return ok
}

func notReady(n *corev1.Node) (reason, message string) {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Reason != "" {
			return c.Reason, c.Message
		}
	}
	return "NotReady", "the Node has not reported that it is Ready yet"
}
