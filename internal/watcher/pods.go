package watcher

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// operatorPods are those of the DaemonSet iptables-operator.
var operatorPods = labels.SelectorFromSet(labels.Set{"app.kubernetes.io/name": v1alpha1.OperatorDaemonSet})

// podSource watches the operators' pods, in a cache of its own: the manager's must not
// be limited to them.
type podSource struct {
	reader client.Reader
	cache  cache.Cache
}

func newPodSource(mgr ctrl.Manager) (*podSource, error) {
	namespaces := map[string]cache.Config{v1alpha1.KubeEdgeNamespace: {LabelSelector: operatorPods}}
	pods, err := cache.New(mgr.GetConfig(), cache.Options{
		Scheme: mgr.GetScheme(),
		Mapper: mgr.GetRESTMapper(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}: {Namespaces: namespaces, Transform: trimPod},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("create cache of pods: %w", err)
	}
	if err := mgr.Add(pods); err != nil {
		return nil, fmt.Errorf("add cache of pods: %w", err)
	}
	return &podSource{reader: pods, cache: pods}, nil
}

// source asks for everything when a pod changes.
func (p *podSource) source(whole handler.EventHandler) source.Source {
	return source.Kind(p.cache, client.Object(&corev1.Pod{}), whole, predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool { return podDiffers(e.ObjectOld, e.ObjectNew) },
	})
}

// operators says of every node that an operator is scheduled to whether it is ready.
func (p *podSource) operators(ctx context.Context) (map[string]bool, error) {
	var list corev1.PodList
	err := p.reader.List(ctx, &list, client.InNamespace(v1alpha1.KubeEdgeNamespace), client.MatchingLabelsSelector{Selector: operatorPods})
	if err != nil {
		return nil, fmt.Errorf("list the operators' pods: %w", err)
	}
	out := map[string]bool{}
	for i := range list.Items {
		if pod := &list.Items[i]; pod.Spec.NodeName != "" && !finished(pod) {
			out[pod.Spec.NodeName] = out[pod.Spec.NodeName] || podReady(pod)
		}
	}
	return out, nil
}

// finished pods have given their address back.
func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func podReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func podDiffers(old, new client.Object) bool {
	before, ok1 := old.(*corev1.Pod)
	after, ok2 := new.(*corev1.Pod)
	return !ok1 || !ok2 || before.Spec.NodeName != after.Spec.NodeName || finished(before) != finished(after) ||
		podReady(before) != podReady(after)
}

// trimPod keeps what the look at the operators needs.
func trimPod(obj any) (any, error) {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return obj, nil
	}
	trimMeta(&pod.ObjectMeta)
	var ready []corev1.PodCondition
	if podReady(pod) {
		ready = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	pod.Spec = corev1.PodSpec{NodeName: pod.Spec.NodeName}
	pod.Status = corev1.PodStatus{Phase: pod.Status.Phase, Conditions: ready}
	return pod, nil
}
