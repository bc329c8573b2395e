package watcher

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

func trimmed(t *testing.T, node *corev1.Node) *corev1.Node {
	t.Helper()
	obj, err := trimNode(node.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	return obj.(*corev1.Node)
}

func TestTrimNode(t *testing.T) {
	node := edgeNode("e1", "192.168.100.1", 10351)
	node.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}
	node.Annotations = map[string]string{"volumes.kubernetes.io/x": "y", "edgeway.io/z": "kept"}
	node.Spec.Unschedulable = true
	node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: v1alpha1.ConditionRouted, Status: corev1.ConditionTrue})
	got := trimmed(t, node)

	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Status.Images) != 0 || len(got.ManagedFields) != 0 || len(got.Annotations) != 1 || len(got.Status.Conditions) != 2 {
		t.Errorf("trimmed node is %s", text)
	}
	if !got.Spec.Unschedulable || got.UID != node.UID || !isEdge(got) || got.Status.DaemonEndpoints.KubeletEndpoint.Port != 10351 {
		t.Errorf("trimmed node lacks what is needed: %s", text)
	}
	if !got.Status.Conditions[0].LastHeartbeatTime.IsZero() {
		t.Error("the heartbeat is kept, so every one of them would look like a change")
	}
}

func TestNodeDiffers(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*corev1.Node)
		want   bool
	}{
		{"heartbeat", func(n *corev1.Node) { n.Status.Conditions[0].LastHeartbeatTime = metav1.Now() }, false},
		{"readiness", func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }, false},
		{"images", func(n *corev1.Node) { n.Status.Images = nil }, false},
		{"another label", func(n *corev1.Node) { n.Labels["zone"] = "a" }, false},
		{"our own condition", func(n *corev1.Node) {
			n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: v1alpha1.ConditionRouted})
		}, false},
		{"edge label's value", func(n *corev1.Node) { n.Labels[v1alpha1.LabelEdge] = "edge" }, false},
		{"edge label", func(n *corev1.Node) { delete(n.Labels, v1alpha1.LabelEdge) }, true},
		{"address", func(n *corev1.Node) { n.Status.Addresses[1].Address = "10.0.0.1" }, true},
		{"kubelet port", func(n *corev1.Node) { n.Status.DaemonEndpoints.KubeletEndpoint.Port = 10352 }, true},
		{"pod CIDR", func(n *corev1.Node) { n.Spec.PodCIDRs = []string{"10.1.0.0/24"} }, true},
		{"another node of the name", func(n *corev1.Node) { n.UID = "other" }, true},
	} {
		before := edgeNode("e1", "192.168.100.1", 10351)
		after := before.DeepCopy()
		test.change(after)
		if got := nodeDiffers(trimmed(t, before), trimmed(t, after)); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
