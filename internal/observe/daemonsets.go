package observe

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// StrayDaemonSets names the DaemonSets, as namespace/name, whose pods go to edge nodes
// though nothing in them asks for that: they tolerate the edge taint, as kube-proxy and
// network plugins do that tolerate everything, and cannot work there.
func StrayDaemonSets(sets []appsv1.DaemonSet) []string {
	out := []string{}
	for i := range sets {
		if strays(&sets[i].Spec.Template.Spec) {
			out = append(out, sets[i].Namespace+"/"+sets[i].Name)
		}
	}
	slices.Sort(out)
	return out
}

// strays: the pods fit on a node with the edge label and taint, and would fit on it
// without the label, too.
func strays(pod *corev1.PodSpec) bool {
	taint := corev1.Taint{Key: v1alpha1.TaintEdge, Value: "edge", Effect: corev1.TaintEffectNoSchedule}
	tolerates := slices.ContainsFunc(pod.Tolerations, func(t corev1.Toleration) bool {
		return t.ToleratesTaint(klog.Background(), &taint, false)
	})
	return tolerates && fits(pod, edgeLabels(true)) && fits(pod, edgeLabels(false))
}

// edgeLabels are those that a usual Linux node has.
func edgeLabels(edge bool) map[string]string {
	labels := map[string]string{corev1.LabelOSStable: "linux", "beta.kubernetes.io/os": "linux"}
	if edge {
		labels[v1alpha1.LabelEdge] = ""
	}
	return labels
}

func fits(pod *corev1.PodSpec, labels map[string]string) bool {
	node := &corev1.Node{}
	node.Labels = labels
	ok, err := nodeaffinity.GetRequiredNodeAffinity(&corev1.Pod{Spec: *pod}).Match(node)
	return err == nil && ok
}
