// Package drain decides which pods leave a node that is drained, asks them to leave, and
// tells which are left and why. It follows the rules of kubectl drain.
//
// It reads and writes nothing by itself: callers list the pods and bring the request that
// evicts one. The plan that a person sees and the work that follows both go by Of, so
// they cannot differ.
package drain

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Fate is what draining a node does to one of its pods.
type Fate int

const (
	// Moves: the pod is evicted, and its controller starts another one elsewhere.
	Moves Fate = iota
	// Lost: the pod is evicted and has no controller, so it is gone for good.
	Lost
	// Finished: all containers have ended. The pod is removed, and nobody waits for it.
	Finished
	// OfDaemonSet: the pod stays until the node is gone, since its DaemonSet would start
	// it again at once.
	OfDaemonSet
	// Mirror: a static pod. It comes from a file on the device and ends only there.
	Mirror
)

// Of applies the filters of kubectl drain in kubectl's order of precedence: mirror pods
// are never touched, and a finished pod can always be removed.
func Of(pod *corev1.Pod) Fate {
	if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		return Mirror
	}
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return Finished
	}
	owner := metav1.GetControllerOf(pod)
	switch {
	case owner == nil:
		return Lost
	case owner.Kind == "DaemonSet" && owner.APIVersion == appsv1.SchemeGroupVersion.String():
		return OfDaemonSet
	}
	return Moves
}

// Leaves reports whether a drain has to wait for a pod of this fate to be gone.
func (f Fate) Leaves() bool { return f == Moves || f == Lost }

// LosesData reports whether the pod leaves behind data in an emptyDir that is deleted
// with it.
func LosesData(pod *corev1.Pod) bool {
	if !Of(pod).Leaves() {
		return false
	}
	for i := range pod.Spec.Volumes {
		if pod.Spec.Volumes[i].EmptyDir != nil {
			return true
		}
	}
	return false
}
