package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

func gvr(resource string) schema.GroupVersionResource {
	return v1alpha1.GroupVersion.WithResource(resource)
}

// markUninstall asks the operators to remove everything from their kernels. It is
// false when there is no CRD of ours, and so nothing that could be asked.
func (r *Runtime) markUninstall(ctx context.Context) (bool, error) {
	targets := r.dynamic.Resource(gvr("edgeroutetargets"))
	object, err := targets.Get(ctx, v1alpha1.TargetsName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return r.createMark(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("read EdgeRouteTargets: %w", err)
	}
	annotations := object.GetAnnotations()
	if annotations[v1alpha1.AnnotationUninstall] == "true" {
		return true, nil
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationUninstall] = "true"
	object.SetAnnotations(annotations)
	_, err = targets.Update(ctx, object, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		return r.markUninstall(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("mark EdgeRouteTargets: %w", err)
	}
	return true, nil
}

// createMark makes the object where edge-watcher has not made it yet.
func (r *Runtime) createMark(ctx context.Context) (bool, error) {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "EdgeRouteTargets",
		"metadata": map[string]any{
			"name":        v1alpha1.TargetsName,
			"annotations": map[string]any{v1alpha1.AnnotationUninstall: "true"},
		},
		"targets": []any{},
	}}
	_, err := r.dynamic.Resource(gvr("edgeroutetargets")).Create(ctx, object, metav1.CreateOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case apierrors.IsAlreadyExists(err):
		return r.markUninstall(ctx)
	case err != nil:
		return false, fmt.Errorf("mark EdgeRouteTargets: %w", err)
	}
	return true, nil
}

// resume takes the mark of an interrupted disable away and makes sure that the
// release is applied again, because edge-watcher was stopped.
func (r *Runtime) resume(ctx context.Context, plan *Plan, say func(string)) error {
	targets := r.dynamic.Resource(gvr("edgeroutetargets"))
	object, err := targets.Get(ctx, v1alpha1.TargetsName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read EdgeRouteTargets: %w", err)
	}
	annotations := object.GetAnnotations()
	if _, marked := annotations[v1alpha1.AnnotationUninstall]; !marked {
		return nil
	}
	say("undoing an interrupted disable")
	if plan.Action == ActionNone {
		plan.Action = ActionContinue
	}
	delete(annotations, v1alpha1.AnnotationUninstall)
	object.SetAnnotations(annotations)
	_, err = targets.Update(ctx, object, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		return r.resume(ctx, plan, say)
	}
	if err != nil {
		return fmt.Errorf("clear mark of EdgeRouteTargets: %w", err)
	}
	return nil
}

// nodesWithRules names the nodes whose operator runs and has not reported that
// everything is removed.
func (r *Runtime) nodesWithRules(ctx context.Context) ([]string, error) {
	pods, err := r.kube.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=iptables-operator"})
	if err != nil {
		return nil, fmt.Errorf("list iptables-operator's pods: %w", err)
	}
	reports, err := r.dynamic.Resource(gvr("cloudnoderoutes")).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list cloudnoderoutes: %w", err)
	}
	clean := map[string]bool{}
	for _, item := range reports.Items {
		report := v1alpha1.CloudNodeRoutes{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &report); err != nil {
			return nil, fmt.Errorf("read CloudNodeRoutes %s: %w", item.GetName(), err)
		}
		applied := meta.FindStatusCondition(report.Status.Conditions, v1alpha1.ConditionApplied)
		clean[item.GetName()] = applied != nil && applied.Reason == reasonRemoved
	}
	return withRules(pods.Items, clean), nil
}

// reasonRemoved is what an operator reports after an uninstall.
const reasonRemoved = "Removed"

// withRules is pure: nodes with a running operator that is not clean, in order.
func withRules(pods []corev1.Pod, clean map[string]bool) []string {
	var out []string
	for _, pod := range pods {
		if pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil && !clean[pod.Spec.NodeName] {
			out = append(out, pod.Spec.NodeName)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// removeRouteObjects deletes what edge-watcher and the operators wrote; neither
// runs any more. No CRD means that there is nothing.
func (r *Runtime) removeRouteObjects(ctx context.Context) error {
	var errs []error
	for _, resource := range []string{"edgerouteslices", "edgeroutetargets", "cloudnoderoutes"} {
		err := r.dynamic.Resource(gvr(resource)).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		errs = append(errs, gone(resource, err))
	}
	return errors.Join(errs...)
}
