package watcher

import (
	"maps"
	"slices"
	"strings"

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
	node.Status = corev1.NodeStatus{
		Addresses:       slices.Clone(node.Status.Addresses),
		DaemonEndpoints: node.Status.DaemonEndpoints,
		Conditions:      trimConditions(node.Status.Conditions),
	}
	return node, nil
}

func trimConditions(all []corev1.NodeCondition) []corev1.NodeCondition {
	var kept []corev1.NodeCondition
	for _, condition := range all {
		switch condition.Type {
		case corev1.NodeReady, v1alpha1.ConditionRouted:
			condition.LastHeartbeatTime = metav1.Time{}
			kept = append(kept, condition)
		}
	}
	return kept
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
