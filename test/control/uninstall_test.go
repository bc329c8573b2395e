package control

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// operators is the DaemonSet of operators; nobody runs it.
func operators(t *testing.T) *appsv1.DaemonSet {
	t.Helper()
	labels := map[string]string{"app.kubernetes.io/name": v1alpha1.OperatorDaemonSet}
	ds := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.OperatorDaemonSet, Namespace: v1alpha1.KubeEdgeNamespace},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "none"}}}},
		},
	}
	create(t, ds)
	return ds
}

func annotations(t *testing.T) map[string]string {
	t.Helper()
	var targets v1alpha1.EdgeRouteTargets
	if err := admin.Get(t.Context(), client.ObjectKey{Name: v1alpha1.TargetsName}, &targets); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return targets.Annotations
}

func reportRemoved(t *testing.T, node string) {
	t.Helper()
	report := &v1alpha1.CloudNodeRoutes{ObjectMeta: metav1.ObjectMeta{Name: node}}
	create(t, report)
	meta.SetStatusCondition(&report.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionApplied, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonRemoved, Message: "removed"})
	if err := admin.Status().Update(t.Context(), report); err != nil {
		t.Fatal(err)
	}
}

// What the chart's pre-delete hook runs, with the rights it has: it waits for every
// operator that runs, and for no other. The mark it leaves does not hold for the next
// release.
func TestUninstallWaitsForOperators(t *testing.T) {
	removeOurs(t)
	ds := operators(t)
	podOn(t, "operator-a", v1alpha1.OperatorDaemonSet, "a")
	podOn(t, "operator-b", v1alpha1.OperatorDaemonSet, "b")
	p := start(t, "iptables-operator", "uninstall", "--kubeconfig="+kubeconfigOf(t, "edgeway-uninstall", ""), "--timeout=10m")
	eventually(t, "the mark", func() error {
		if a := annotations(t); a[v1alpha1.AnnotationUninstall] != "true" || a[v1alpha1.AnnotationUninstallOf] != string(ds.UID) {
			return fmt.Errorf("annotations are %v", a)
		}
		return nil
	})
	reportRemoved(t, "a")
	eventually(t, "it waits for the other one alone", func() error {
		if out := p.output(); !strings.Contains(out, `"nodes":"b"`) {
			return errUnexpected
		}
		return nil
	})
	select {
	case <-p.done:
		t.Fatalf("it ended (%v) while an operator still has rules", p.err)
	default:
	}
	reportRemoved(t, "b")
	p.waitEnd(t)
	if p.err != nil {
		t.Errorf("it failed: %v", p.err)
	}

	// While that DaemonSet is there the mark stands, whatever edge-watcher writes.
	cloudCore(t)
	createNode(t, edgeNode("e", "192.168.1.1"))
	watcher := startWatcher(t)
	waitRouted(t, "edge-watcher goes on", "e", "192.168.1.1")
	settled(t)
	if annotations(t)[v1alpha1.AnnotationUninstall] != "true" {
		t.Error("edge-watcher took the mark of its own release away")
	}
	watcher.kill(t)
	if err := admin.Delete(t.Context(), ds, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the DaemonSet is gone", func() error {
		if err := admin.Get(t.Context(), client.ObjectKeyFromObject(ds), ds.DeepCopy()); client.IgnoreNotFound(err) != nil || err == nil {
			return errUnexpected
		}
		return nil
	})
	operators(t)
	startWatcher(t)
	eventually(t, "the next release's edge-watcher takes the mark away", func() error {
		if a := annotations(t); a[v1alpha1.AnnotationUninstall] != "" || a[v1alpha1.AnnotationUninstallOf] != "" {
			return errUnexpected
		}
		return nil
	})
}

// Where nobody can answer, it must not wait for ever nor fail.
func TestUninstallIsBounded(t *testing.T) {
	removeOurs(t)
	operators(t)
	podOn(t, "operator-a", v1alpha1.OperatorDaemonSet, "a")
	p := start(t, "iptables-operator", "uninstall", "--kubeconfig="+kubeconfigOf(t, "edgeway-uninstall", ""), "--timeout=5s")
	p.waitEnd(t)
	if p.err != nil || !strings.Contains(p.output(), "may remain") {
		t.Errorf("it ended with %v, want success and a word about node a", p.err)
	}
}
