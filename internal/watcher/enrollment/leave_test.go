package enrollment

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// joined is a site with one edge node, Ready, and a pod of each kind on it.
func joined(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", func(e *v1alpha1.EdgeEnrollment) { e.Spec.Components.EdgeStream = false })
	s.run("e")
	s.register("edge-1", "192.168.100.1", ready)
	wantPhase(t, s.run("e"), v1alpha1.PhaseReady)
	yes := true
	for name, change := range map[string]func(*corev1.Pod){
		"app": func(*corev1.Pod) {},
		"daemon": func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Controller: &yes}}
		},
		"mirror": func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} },
		"ended":  func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded },
	} {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: corev1.PodSpec{NodeName: "edge-1"}}
		change(p)
		if err := s.c.Create(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *site) want(name string, change func(*v1alpha1.EdgeEnrollmentSpec)) *v1alpha1.EdgeEnrollment {
	s.t.Helper()
	var e v1alpha1.EdgeEnrollment
	s.get(client.ObjectKey{Namespace: v1alpha1.JoinNamespace, Name: name}, &e)
	change(&e.Spec)
	if err := s.c.Update(s.t.Context(), &e); err != nil {
		s.t.Fatal(err)
	}
	// Once more, because a pass that only waits changes nothing.
	s.run(name)
	return s.run(name)
}

func retire(spec *v1alpha1.EdgeEnrollmentSpec) { spec.State = v1alpha1.StateRetired }

func (s *site) nodeGone() bool {
	var n corev1.Node
	return apierrors.IsNotFound(s.c.Get(s.t.Context(), client.ObjectKey{Name: "edge-1"}, &n))
}

func TestRetire(t *testing.T) {
	s := joined(t)
	e := s.want("e", retire)
	wantPhase(t, e, v1alpha1.PhaseRetired)
	if !s.nodeGone() {
		t.Error("the Node is still there")
	}
	var pods corev1.PodList
	if err := s.c.List(t.Context(), &pods, client.InNamespace("default")); err != nil {
		t.Fatal(err)
	}
	var left []string
	for i := range pods.Items {
		left = append(left, pods.Items[i].Name)
	}
	if diff := cmp.Diff([]string{"daemon", "mirror"}, left); diff != "" {
		t.Errorf("pods that stay (-want +got):\n%s", diff)
	}
	s.enrollment("again", "edge-1", "192.168.100.1", nil)
	wantPhase(t, s.run("again"), v1alpha1.PhasePending)
	var tomb v1alpha1.EdgeEnrollment
	if err := s.c.Get(t.Context(), client.ObjectKeyFromObject(e), &tomb); !apierrors.IsNotFound(err) {
		t.Error("the tombstone outlives the name's new owner")
	}
}

// stuck puts a finalizer on the pod, so that its end has to be waited for.
func (s *site) stuck() {
	s.t.Helper()
	var p corev1.Pod
	s.get(client.ObjectKey{Namespace: "default", Name: "app"}, &p)
	p.Finalizers = []string{"example.com/wait"}
	if err := s.c.Update(s.t.Context(), &p); err != nil {
		s.t.Fatal(err)
	}
}

func TestRetireStopsAtTheDeadlineUnlessForced(t *testing.T) {
	s := joined(t)
	s.stuck()
	e := s.want("e", retire)
	if got := reason(e, v1alpha1.ConditionRetired); got != "False Draining" || s.nodeGone() {
		t.Fatalf("got %q, node gone %v", got, s.nodeGone())
	}
	s.now = s.now.Add(defaultDrainTimeout + time.Second)
	if got := reason(s.run("e"), v1alpha1.ConditionRetired); got != "False DrainBlocked" || s.nodeGone() {
		t.Fatalf("got %q, node gone %v", got, s.nodeGone())
	}
	wantPhase(t, s.want("e", func(spec *v1alpha1.EdgeEnrollmentSpec) { spec.Force = true }), v1alpha1.PhaseRetired)
}

func TestRetireOfAnOfflineNodeDoesNotWaitForItsPods(t *testing.T) {
	s := joined(t)
	s.stuck()
	s.setStatus("edge-1", func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown })
	wantPhase(t, s.want("e", retire), v1alpha1.PhaseRetired)
}

func TestRetirementCanBeCalledOff(t *testing.T) {
	s := joined(t)
	s.stuck()
	s.want("e", retire)
	s.want("e", func(spec *v1alpha1.EdgeEnrollmentSpec) { spec.State = v1alpha1.StateActive })
	var n corev1.Node
	s.get(client.ObjectKey{Name: "edge-1"}, &n)
	if n.Spec.Unschedulable {
		t.Error("the node is still cordoned")
	}
}

func TestAnAdminsCordonStays(t *testing.T) {
	s := joined(t)
	var n corev1.Node
	s.get(client.ObjectKey{Name: "edge-1"}, &n)
	n.Spec.Unschedulable = true
	if err := s.c.Update(t.Context(), &n); err != nil {
		t.Fatal(err)
	}
	s.want("e", func(spec *v1alpha1.EdgeEnrollmentSpec) { spec.State = v1alpha1.StateCordoned })
	s.want("e", func(spec *v1alpha1.EdgeEnrollmentSpec) { spec.State = v1alpha1.StateActive })
	s.get(client.ObjectKey{Name: "edge-1"}, &n)
	if !n.Spec.Unschedulable {
		t.Error("the admin's cordon was taken back")
	}
}

func TestRetireRefusesCloudNodes(t *testing.T) {
	s := joined(t)
	var n corev1.Node
	s.get(client.ObjectKey{Name: "edge-1"}, &n)
	n.Labels = nil
	if err := s.c.Update(t.Context(), &n); err != nil {
		t.Fatal(err)
	}
	if got := reason(s.want("e", retire), v1alpha1.ConditionRetired); got != "False NotAnEdgeNode" || s.nodeGone() {
		t.Errorf("got %q, node gone %v", got, s.nodeGone())
	}
}

func TestADeviceThatComesBack(t *testing.T) {
	s := joined(t)
	s.want("e", retire)
	s.register("edge-1", "192.168.100.1", ready)
	e := s.run("e")
	var n corev1.Node
	s.get(client.ObjectKey{Name: "edge-1"}, &n)
	if reason(e, v1alpha1.ConditionReturned) != "True CameBack" || !n.Spec.Unschedulable {
		t.Fatalf("condition %q, cordoned %v", reason(e, v1alpha1.ConditionReturned), n.Spec.Unschedulable)
	}
	e = s.want("e", func(spec *v1alpha1.EdgeEnrollmentSpec) { spec.State = v1alpha1.StateActive })
	wantPhase(t, e, v1alpha1.PhaseReady)
	s.get(client.ObjectKey{Name: "edge-1"}, &n)
	if n.Spec.Unschedulable || reason(e, v1alpha1.ConditionReserved) != "True Reserved" || reason(e, v1alpha1.ConditionReturned) != "" {
		t.Errorf("cordoned %v, conditions %+v", n.Spec.Unschedulable, e.Status.Conditions)
	}
}
