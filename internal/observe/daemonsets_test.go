package observe

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

func TestStrayDaemonSets(t *testing.T) {
	everything := []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	edgeTaint := []corev1.Toleration{{Key: v1alpha1.TaintEdge, Operator: corev1.TolerationOpExists}}
	sets := []appsv1.DaemonSet{
		daemonSet("kube-proxy", corev1.PodSpec{Tolerations: everything}),
		daemonSet("cni", corev1.PodSpec{Tolerations: edgeTaint, NodeSelector: map[string]string{"kubernetes.io/os": "linux"}}),
		daemonSet("kept-off", corev1.PodSpec{Tolerations: everything, Affinity: where(v1alpha1.LabelEdge, corev1.NodeSelectorOpDoesNotExist)}),
		daemonSet("for-edge", corev1.PodSpec{Tolerations: everything, Affinity: where(v1alpha1.LabelEdge, corev1.NodeSelectorOpExists)}),
		daemonSet("for-edge-too", corev1.PodSpec{Tolerations: everything, NodeSelector: map[string]string{v1alpha1.LabelEdge: ""}}),
		daemonSet("cloud-only", corev1.PodSpec{}),
		daemonSet("other-effect", corev1.PodSpec{Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}}}),
		daemonSet("gpu", corev1.PodSpec{Tolerations: everything, NodeSelector: map[string]string{"gpu": "yes"}}),
	}
	if got, want := StrayDaemonSets(sets), []string{"s/cni", "s/kube-proxy"}; !slices.Equal(got, want) {
		t.Errorf("stray DaemonSets are %v, want %v", got, want)
	}
}

func daemonSet(name string, pod corev1.PodSpec) appsv1.DaemonSet {
	d := appsv1.DaemonSet{}
	d.Namespace, d.Name, d.Spec.Template.Spec = "s", name, pod
	return d
}

func where(key string, op corev1.NodeSelectorOperator) *corev1.Affinity {
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: op}}}},
	}}}
}
