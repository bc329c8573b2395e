package watcher

import (
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

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
