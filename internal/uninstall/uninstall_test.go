package uninstall

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestWithRules(t *testing.T) {
	operator := func(node string, phase corev1.PodPhase) corev1.Pod {
		return corev1.Pod{Spec: corev1.PodSpec{NodeName: node}, Status: corev1.PodStatus{Phase: phase}}
	}
	ending := operator("d", corev1.PodRunning)
	ending.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	pods := []corev1.Pod{operator("c", corev1.PodRunning), operator("a", corev1.PodRunning), operator("b", corev1.PodPending), ending}
	if d := cmp.Diff([]string{"c"}, withRules(pods, map[string]bool{"a": true})); d != "" {
		t.Error(d)
	}
}
