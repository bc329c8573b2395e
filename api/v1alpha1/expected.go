package v1alpha1

import corev1 "k8s.io/api/core/v1"

// ExpectedBy names the enrollment for which a Node waits for its device; empty once
// the device reports the Node's status, and for every other Node.
func ExpectedBy(n *corev1.Node) string {
	if n.Status.NodeInfo.KubeletVersion != "" {
		return ""
	}
	return n.Annotations[AnnotationExpected]
}
