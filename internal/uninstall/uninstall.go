// Package uninstall asks every iptables-operator of a cluster to take its rules out of
// its kernel, and tells which have not done so yet. `edgeway disable` and the chart's
// pre-delete hook share it.
package uninstall

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// Asker asks. It needs the rights to patch and create EdgeRouteTargets, to list
// CloudNodeRoutes, and to list pods in namespace kubeedge.
type Asker struct {
	Kube    kubernetes.Interface
	Dynamic dynamic.Interface
}

// Resource of ours by its plural name.
func Resource(resource string) schema.GroupVersionResource {
	return v1alpha1.GroupVersion.WithResource(resource)
}

// Ask marks EdgeRouteTargets. With the UID of the DaemonSet that is uninstalled, a
// later release knows that the mark is not meant for it; without, only
// `edgeway enable` takes the mark away. It is false when the cluster does not have the
// CRD, and so nothing that could be asked.
func (a Asker) Ask(ctx context.Context, daemonSet types.UID) (bool, error) {
	annotations := map[string]any{v1alpha1.AnnotationUninstall: "true", v1alpha1.AnnotationUninstallOf: nil}
	if daemonSet != "" {
		annotations[v1alpha1.AnnotationUninstallOf] = string(daemonSet)
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return false, fmt.Errorf("encode the mark: %w", err)
	}
	targets := a.Dynamic.Resource(Resource("edgeroutetargets"))
	_, err = targets.Patch(ctx, v1alpha1.TargetsName, types.MergePatchType, body, metav1.PatchOptions{})
	if err == nil {
		return true, nil
	}
	if !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("mark EdgeRouteTargets: %w", err)
	}
	return a.create(ctx, daemonSet)
}

// create makes the object where edge-watcher has not made it yet.
func (a Asker) create(ctx context.Context, daemonSet types.UID) (bool, error) {
	annotations := map[string]string{v1alpha1.AnnotationUninstall: "true"}
	if daemonSet != "" {
		annotations[v1alpha1.AnnotationUninstallOf] = string(daemonSet)
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "EdgeRouteTargets", "targets": []any{},
	}}
	object.SetName(v1alpha1.TargetsName)
	object.SetAnnotations(annotations)
	_, err := a.Dynamic.Resource(Resource("edgeroutetargets")).Create(ctx, object, metav1.CreateOptions{})
	switch {
	case apierrors.IsNotFound(err): // the CRD is
		return false, nil
	case apierrors.IsAlreadyExists(err):
		return a.Ask(ctx, daemonSet)
	case err != nil:
		return false, fmt.Errorf("mark EdgeRouteTargets: %w", err)
	}
	return true, nil
}

// Left names the nodes whose operator runs and has not reported that everything is
// removed, in order.
func (a Asker) Left(ctx context.Context) ([]string, error) {
	pods, err := a.Kube.CoreV1().Pods(v1alpha1.KubeEdgeNamespace).List(ctx,
		metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + v1alpha1.OperatorDaemonSet})
	if err != nil {
		return nil, fmt.Errorf("list iptables-operator's pods: %w", err)
	}
	reports, err := a.Dynamic.Resource(Resource("cloudnoderoutes")).List(ctx, metav1.ListOptions{})
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
		clean[item.GetName()] = applied != nil && applied.Reason == v1alpha1.ReasonRemoved
	}
	return withRules(pods.Items, clean), nil
}

// withRules is pure: nodes with a running operator that is not clean, in order. A pod
// that is starting or ending will not report, and must not be waited for.
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
