package watcher

import (
	"maps"
	"strings"
	"unique"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// trimNode cuts a Node down to what the controllers read, before it is cached: of
// some 8 KiB a node a few hundred bytes stay. What is cached must therefore only
// ever be patched, never written back.
//
// Kept are identity, labels, our own annotations, the spec, addresses, the kubelet
// port, and the conditions Ready and EdgewayRouted without their heartbeats.
func trimNode(obj any) (any, error) {
	node, ok := obj.(*corev1.Node)
	if !ok {
		return obj, nil
	}
	trimMeta(&node.ObjectMeta)
	node.Labels = internLabels(node)
	for i := range node.Spec.Taints {
		taint := &node.Spec.Taints[i]
		*taint = corev1.Taint{Key: intern(taint.Key), Value: intern(taint.Value), Effect: intern(taint.Effect), TimeAdded: taint.TimeAdded}
	}
	node.Status = corev1.NodeStatus{
		Addresses:       trimAddresses(node),
		DaemonEndpoints: node.Status.DaemonEndpoints,
		Conditions:      trimConditions(node.Status.Conditions),
	}
	return node, nil
}

func trimConditions(all []corev1.NodeCondition) []corev1.NodeCondition {
	var kept []corev1.NodeCondition
	for _, condition := range all {
		switch condition.Type {
		case corev1.NodeReady:
			condition.Message = intern(condition.Message)
			fallthrough
		case v1alpha1.ConditionRouted:
			condition.LastHeartbeatTime = metav1.Time{}
			condition.Type, condition.Status, condition.Reason = intern(condition.Type), intern(condition.Status), intern(condition.Reason)
			kept = append(kept, condition)
		}
	}
	return kept
}

// intern keeps one copy of a text that many Nodes have, since each of them came off the
// wire with its own.
func intern[T ~string](text T) T { return T(unique.Make(string(text)).Value()) }

// internLabels keeps what is a Node's own apart: its name is there already, and one
// more entry in the table would cost more than the text.
func internLabels(node *corev1.Node) map[string]string {
	if len(node.Labels) == 0 {
		return nil
	}
	out := make(map[string]string, len(node.Labels))
	for key, value := range node.Labels {
		out[intern(key)] = own(node, value)
	}
	return out
}

func trimAddresses(node *corev1.Node) []corev1.NodeAddress {
	out := make([]corev1.NodeAddress, len(node.Status.Addresses))
	for i, addr := range node.Status.Addresses {
		out[i] = corev1.NodeAddress{Type: intern(addr.Type), Address: addr.Address}
		if addr.Address == node.Name {
			out[i].Address = node.Name
		}
	}
	return out
}

func own(node *corev1.Node, text string) string {
	if text == node.Name {
		return node.Name
	}
	return intern(text)
}

// trimMeta drops what other parties keep in an object's metadata.
func trimMeta(meta *metav1.ObjectMeta) {
	meta.ManagedFields = nil
	meta.OwnerReferences = nil
	meta.Finalizers = nil
	maps.DeleteFunc(meta.Annotations, func(key, _ string) bool {
		return !strings.HasPrefix(key, v1alpha1.Group+"/")
	})
}

// trimManagedFields is for objects that are written back: nothing is missed then,
// since the apiserver ignores absent managed fields.
func trimManagedFields(obj any) (any, error) {
	if m, ok := obj.(metav1.Object); ok {
		m.SetManagedFields(nil)
	}
	return obj, nil
}
