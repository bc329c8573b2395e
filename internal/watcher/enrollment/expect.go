package enrollment

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
)

// expect creates the Node of a device that may connect from now on. Labels and taints
// are right before any pod can land there, and nothing of them has to change once the
// device is connected: CloudHub closes a connection when the edge label changes, and
// EdgeCore waits before it dials again. A join also works without it, so a failure is
// told and does not stop the join.
func (r *Reconciler) expect(ctx context.Context, e *v1alpha1.EdgeEnrollment) {
	known := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionNodeExpected)
	if known != nil && known.Reason != v1alpha1.ReasonCreateFailed {
		return // once: a Node that somebody deleted is not forced upon them
	}
	node, err := expectedNode(e)
	if err == nil {
		err = r.client.Create(ctx, node)
	}
	switch {
	case err == nil:
		r.set(e, v1alpha1.ConditionNodeExpected, true, "Created", "the Node waits for its device")
	case apierrors.IsAlreadyExists(err):
		r.set(e, v1alpha1.ConditionNodeExpected, true, "Exists", "the Node was there already")
	default:
		r.set(e, v1alpha1.ConditionNodeExpected, false, v1alpha1.ReasonCreateFailed, err.Error())
	}
}

// expectByToken creates the Node of a device that got a token, or takes it away again
// for a tool that wants to create it itself.
func (r *Reconciler) expectByToken(ctx context.Context, e *v1alpha1.EdgeEnrollment) error {
	if e.Status.Token == nil || e.Spec.TokenFor == nil || e.Status.Phase != v1alpha1.PhasePending || e.Spec.State == v1alpha1.StateRevoked {
		return nil
	}
	if e.Spec.TokenFor.NewNodeOnly {
		return r.unexpect(ctx, e)
	}
	r.expect(ctx, e)
	return nil
}

// expectedNode is what is known of a Node before its device arrives. It has no address,
// so it has no route.
func expectedNode(e *v1alpha1.EdgeEnrollment) (*corev1.Node, error) {
	spec := mended(&e.Spec)
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name:        spec.NodeName,
		Annotations: map[string]string{v1alpha1.AnnotationExpected: e.Name},
		Labels: map[string]string{
			v1alpha1.LabelEdge: "", v1alpha1.LabelAgent: "",
			corev1.LabelHostname: spec.NodeName, corev1.LabelOSStable: "linux", corev1.LabelArchStable: spec.Arch,
		},
	}}
	return n, applyMetadata(spec, n)
}

// unexpect deletes a Node that still waits for its device.
func (r *Reconciler) unexpect(ctx context.Context, e *v1alpha1.EdgeEnrollment) error {
	if !meta.IsStatusConditionTrue(e.Status.Conditions, v1alpha1.ConditionNodeExpected) {
		return nil
	}
	if err := r.deleteExpected(ctx, e.Name, e.Spec.NodeName); err != nil {
		return err
	}
	meta.RemoveStatusCondition(&e.Status.Conditions, v1alpha1.ConditionNodeExpected)
	return nil
}

// unexpectAll deletes the Nodes that wait for devices of an enrollment that is gone.
func (r *Reconciler) unexpectAll(ctx context.Context, enrollment string) error {
	all, err := r.o.Nodes(ctx)
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	for i := range all {
		if all[i].ExpectedBy != enrollment {
			continue
		}
		if err := r.deleteExpected(ctx, enrollment, all[i].Name); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) deleteExpected(ctx context.Context, enrollment, name string) error {
	var n corev1.Node
	if err := r.live.Get(ctx, client.ObjectKey{Name: name}, &n); err != nil {
		return client.IgnoreNotFound(err)
	}
	if v1alpha1.ExpectedBy(&n) != enrollment {
		return nil
	}
	// A device that arrives at this very moment changes the version and keeps its Node.
	err := r.client.Delete(ctx, &n, client.Preconditions{UID: &n.UID, ResourceVersion: &n.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete node %q, which no device came for: %w", name, err)
	}
	return nil
}

// missed says who deleted the Node before its device arrived.
func (r *Reconciler) missed(ctx context.Context, e *v1alpha1.EdgeEnrollment) {
	if !meta.IsStatusConditionTrue(e.Status.Conditions, v1alpha1.ConditionNodeExpected) {
		return
	}
	r.set(e, v1alpha1.ConditionNodeExpected, false, v1alpha1.ReasonNodeTakenAway,
		"the Node was deleted before its device arrived; the device registers it anew. "+r.deletedBy(ctx, e.Spec.NodeName))
}

// deletingNode is the reason of the Event of a cloud provider's node lifecycle
// controller (k8s.io/cloud-provider), which deletes Nodes without a machine in the cloud.
const deletingNode = "DeletingNode"

func (r *Reconciler) deletedBy(ctx context.Context, name string) string {
	var events corev1.EventList
	// The Events of cluster-scoped objects are in namespace default.
	err := r.live.List(ctx, &events, client.InNamespace(metav1.NamespaceDefault),
		client.MatchingFields{"involvedObject.kind": "Node", "involvedObject.name": name, "reason": deletingNode})
	if err != nil {
		return "Who deleted it is unknown: " + err.Error()
	}
	if len(events.Items) == 0 {
		return "No Event says who deleted it; the audit log of the API server does."
	}
	last := slices.MaxFunc(events.Items, func(a, b corev1.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	return fmt.Sprintf("%s deleted it: %s", last.Source.Component, last.Message)
}

// mended is the spec with labels as CloudCore needs them.
func mended(spec *v1alpha1.EdgeEnrollmentSpec) *v1alpha1.EdgeEnrollmentSpec {
	if maps.Equal(spec.Labels, enroll.MendLabels(spec.Labels)) {
		return spec
	}
	out := spec.DeepCopy()
	out.Labels = enroll.MendLabels(spec.Labels)
	return out
}
