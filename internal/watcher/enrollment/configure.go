package enrollment

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
)

// annotationApplied on a Node remembers which labels and taints came from its
// enrollment, so that one taken out of the enrollment is taken off the Node, and
// one that somebody else put there is not.
const annotationApplied = "edgeway.io/applied"

type applied struct {
	Labels []string `json:"labels,omitempty"`
	Taints []string `json:"taints,omitempty"`
}

// configure makes labels, taints and cordon of an edge Node as the enrollment
// wants them, in one patch and only when something differs.
func (r *Reconciler) configure(ctx context.Context, e *v1alpha1.EdgeEnrollment, node *corev1.Node) error {
	spec := mended(&e.Spec)
	if p := enroll.ValidateSpec(spec); len(p) > 0 {
		r.set(e, v1alpha1.ConditionNodeConfigured, false, v1alpha1.ReasonInvalid, p.Error())
		return nil
	}
	before := node.DeepCopy()
	if err := applyMetadata(spec, node); err != nil {
		return err
	}
	if v1alpha1.ExpectedBy(node) == "" {
		delete(node.Annotations, v1alpha1.AnnotationExpected)
	}
	applyCordon(e, node, e.Spec.State == v1alpha1.StateCordoned || e.Spec.State == v1alpha1.StateRetired)
	if err := r.patchNode(ctx, before, node); err != nil {
		return err
	}
	r.set(e, v1alpha1.ConditionNodeConfigured, true, "Applied", "labels, taints and cordon are as the enrollment says")
	return nil
}

func (r *Reconciler) patchNode(ctx context.Context, before, node *corev1.Node) error {
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	data, err := patch.Data(node)
	if err != nil {
		return fmt.Errorf("comparing node %q: %w", node.Name, err)
	}
	if unchanged(data) {
		return nil
	}
	if err := r.client.Patch(ctx, node, patch); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("changing node %q: %w", node.Name, err)
	}
	return nil
}

// unchanged: with the optimistic lock a patch always carries the resource version.
func unchanged(patch []byte) bool {
	var p map[string]map[string]any
	if err := json.Unmarshal(patch, &p); err != nil {
		return false
	}
	return len(p) == 1 && len(p["metadata"]) == 1
}

func applyMetadata(spec *v1alpha1.EdgeEnrollmentSpec, node *corev1.Node) error {
	var was applied
	if raw := node.Annotations[annotationApplied]; raw != "" {
		// Somebody else's nonsense there means only that nothing is taken back.
		_ = json.Unmarshal([]byte(raw), &was)
	}
	is := applied{Labels: slices.Sorted(maps.Keys(spec.Labels))}
	applyLabels(spec, node, was)
	for i := range spec.Taints {
		is.Taints = append(is.Taints, taintID(&spec.Taints[i]))
	}
	applyTaints(spec, node, was)
	raw, err := json.Marshal(is)
	if err != nil {
		return fmt.Errorf("recording what node %q was given: %w", node.Name, err)
	}
	if node.Annotations == nil {
		node.Annotations = map[string]string{}
	}
	node.Annotations[annotationApplied] = string(raw)
	return nil
}

func applyLabels(spec *v1alpha1.EdgeEnrollmentSpec, node *corev1.Node, was applied) {
	for _, key := range was.Labels {
		// The edge label stays whatever happens: it is what makes the node ours.
		if _, wanted := spec.Labels[key]; !wanted && key != v1alpha1.LabelEdge && enroll.LabelAllowed(key) {
			delete(node.Labels, key)
		}
	}
	for key, value := range spec.Labels {
		node.Labels[key] = value
	}
}

func applyTaints(spec *v1alpha1.EdgeEnrollmentSpec, node *corev1.Node, was applied) {
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool {
		id := taintID(&t)
		return slices.Contains(was.Taints, id) && enroll.LabelAllowed(t.Key) &&
			!slices.ContainsFunc(spec.Taints, func(w corev1.Taint) bool { return taintID(&w) == id })
	})
	for _, want := range spec.Taints {
		i := slices.IndexFunc(node.Spec.Taints, func(t corev1.Taint) bool { return taintID(&t) == taintID(&want) })
		if i < 0 {
			node.Spec.Taints = append(node.Spec.Taints, want)
		} else {
			node.Spec.Taints[i].Value = want.Value
		}
	}
}

// taintID is what makes a taint the same to Kubernetes.
func taintID(t *corev1.Taint) string { return t.Key + ":" + string(t.Effect) }

// applyCordon takes back only cordons of its own: an admin's stays.
func applyCordon(e *v1alpha1.EdgeEnrollment, node *corev1.Node, cordon bool) {
	_, ours := node.Annotations[v1alpha1.AnnotationCordonedBy]
	switch {
	case cordon && !node.Spec.Unschedulable:
		node.Spec.Unschedulable = true
		if node.Annotations == nil {
			node.Annotations = map[string]string{}
		}
		node.Annotations[v1alpha1.AnnotationCordonedBy] = e.Name
	case !cordon && ours:
		node.Spec.Unschedulable = false
		delete(node.Annotations, v1alpha1.AnnotationCordonedBy)
	}
}
