package enrollment

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

func reason(e *v1alpha1.EdgeEnrollment, kind string) string {
	if c := meta.FindStatusCondition(e.Status.Conditions, kind); c != nil {
		return string(c.Status) + " " + c.Reason
	}
	return ""
}

func wantPhase(t *testing.T, e *v1alpha1.EdgeEnrollment, want v1alpha1.EnrollmentPhase) {
	t.Helper()
	if e.Status.Phase != want {
		t.Fatalf("phase is %s, want %s; conditions %+v", e.Status.Phase, want, e.Status.Conditions)
	}
}

func TestReservation(t *testing.T) {
	cloud := func(n *corev1.Node) {
		n.Labels = nil
		n.Spec.PodCIDRs = []string{"10.244.0.0/24"}
	}
	other := func(s *site) {
		s.enrollment("other", "edge-9", "192.168.100.9", nil)
		s.run("other")
	}
	tests := map[string]struct {
		node, ip string
		before   func(*site)
		want     string
	}{
		"free":                {"edge-1", "192.168.100.1", other, "True Reserved"},
		"a node's name":       {"cloud-1", "192.168.100.1", nil, "False NameTaken"},
		"a node's address":    {"edge-1", "10.0.0.5", nil, "False IPTaken"},
		"a pod's address":     {"edge-1", "10.244.0.77", nil, "False IPInvalid"},
		"a Service's address": {"edge-1", "10.96.7.7", nil, "False IPInvalid"},
		"a loopback address":  {"edge-1", "127.0.0.2", nil, "False InvalidSpec"},
		"a reserved name":     {"edge-9", "192.168.100.1", other, "False NameTaken"},
		"a reserved address":  {"edge-1", "192.168.100.9", other, "False IPTaken"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, node("cloud-1", "10.0.0.5", cloud))
			if test.before != nil {
				test.before(s)
			}
			s.enrollment("e", test.node, test.ip, nil)
			e := s.run("e")
			if got := reason(e, v1alpha1.ConditionReserved); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if refused := e.Status.Phase == v1alpha1.PhaseRefused; refused != strings.HasPrefix(test.want, "False") {
				t.Errorf("phase is %s", e.Status.Phase)
			}
		})
	}
}

func TestARevokedOrExpiredEnrollmentFreesItsAddress(t *testing.T) {
	s := newSite(t)
	first := s.enrollment("first", "edge-1", "192.168.100.1", nil)
	s.run("first")
	s.now = s.now.Add(time.Hour)
	wantPhase(t, s.run("first"), v1alpha1.PhaseExpired)
	s.enrollment("second", "edge-1", "192.168.100.1", nil)
	second := s.run("second")
	wantPhase(t, second, v1alpha1.PhasePending)
	second.Spec.State = v1alpha1.StateRevoked
	if err := s.c.Update(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	s.enrollment("third", "edge-1", first.Spec.NodeIP, nil)
	wantPhase(t, s.run("third"), v1alpha1.PhasePending)
}

// The whole way of one device, with every phase seen.
func TestFromPendingToVerified(t *testing.T) {
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", nil)
	wantPhase(t, s.run("e"), v1alpha1.PhasePending)
	s.redeem("e")
	e := s.run("e")
	wantPhase(t, e, v1alpha1.PhaseCertificateIssued)
	if len(e.Status.Certificate) == 0 || len(e.Status.CA) == 0 {
		t.Fatal("there is no certificate")
	}
	certificate := string(e.Status.Certificate)

	s.register("edge-1", "192.168.100.1", func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: "node.kubernetes.io/not-ready", Effect: corev1.TaintEffectNoSchedule}}
	})
	wantPhase(t, s.run("e"), v1alpha1.PhaseRegistered)
	var n corev1.Node
	s.get(client.ObjectKey{Name: "edge-1"}, &n)
	if v, edge := n.Labels[v1alpha1.LabelEdge]; !edge || v != "" || len(n.Spec.Taints) != 2 || n.Spec.Unschedulable {
		t.Errorf("the node has labels %v, taints %v", n.Labels, n.Spec.Taints)
	}
	s.setStatus("edge-1", ready)
	e = s.run("e")
	wantPhase(t, e, v1alpha1.PhaseReady)
	if got := reason(e, v1alpha1.ConditionTunnelUp); got != "False NoTunnel" {
		t.Errorf("TunnelUp is %q", got)
	}
	s.setStatus("edge-1", tunnelled)
	wantPhase(t, s.run("e"), v1alpha1.PhaseTunnelUp)
	s.runProbe("e")

	e = s.run("e")
	wantPhase(t, e, v1alpha1.PhaseVerified)
	if string(e.Status.Certificate) != certificate {
		t.Error("it was signed twice")
	}
	if left := s.probes(); len(left) > 0 {
		t.Errorf("%d probe pods are left", len(left))
	}
	s.setStatus("edge-1", func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionFalse })
	e = s.run("e")
	wantPhase(t, e, v1alpha1.PhaseVerified)
	if c := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionNodeReady); c.Status != metav1.ConditionFalse {
		t.Error("a node that is down is still shown as Ready")
	}
}

// runProbe starts the probe and lets the tunnel lie in every way before it tells
// the truth.
func (s *site) runProbe(name string) {
	t := s.t
	t.Helper()
	pods := s.probes()
	if len(pods) != 1 {
		t.Fatalf("there are %d probe pods", len(pods))
	}
	pod := &pods[0]
	if spec := pod.Spec; spec.NodeName != "edge-1" || *spec.AutomountServiceAccountToken || spec.Tolerations[0].Operator != corev1.TolerationOpExists {
		t.Errorf("the probe pod is %+v", spec)
	}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	if err := s.c.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	line := strings.Join(pod.Spec.Containers[0].Args, " ") + "\n"
	for _, lie := range []struct{ log, summary, want string }{
		{`pod "nope" does not exist`, "", "False LogUnreadable"},
		{line, "404 page not found", "False SummaryUnreadable"},
		{line, `{"node":{"nodeName":"edge-2","cpu":{"usageCoreNanoSeconds":1}}}`, "False SummaryUnreadable"},
		{line, `{"node":{"nodeName":"edge-1"}}`, "False SummaryUnreadable"},
	} {
		s.log, s.summary = lie.log, lie.summary
		e := s.run(name)
		wantPhase(t, e, v1alpha1.PhaseTunnelUp)
		if got := reason(e, v1alpha1.ConditionVerified); got != lie.want {
			t.Errorf("log %q and summary %q give %q, want %q", lie.log, lie.summary, got, lie.want)
		}
	}
	s.log, s.summary = line, `{"node":{"nodeName":"edge-1","cpu":{"usageCoreNanoSeconds":1}}}`
}

// probed is a site with a node whose tunnel is up, and its probe.
func probed(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", nil)
	s.run("e")
	s.register("edge-1", "192.168.100.1", func(n *corev1.Node) { ready(n); tunnelled(n) })
	s.run("e")
	return s
}

func TestALostProbeIsReplaced(t *testing.T) {
	s := probed(t)
	first := s.probes()
	if len(first) != 1 {
		t.Fatalf("there are %d probe pods", len(first))
	}
	s.run("e")
	if pods := s.probes(); len(pods) != 1 || pods[0].Name != first[0].Name {
		t.Fatal("a fresh probe was not waited for")
	}
	s.now = s.now.Add(probeLost + time.Second)
	s.run("e")
	s.run("e")
	second := s.probes()
	if len(second) != 1 || second[0].Name == first[0].Name {
		t.Errorf("there are %d probes; the lost one was not replaced", len(second))
	}
}

// CloudCore may have lost a probe, and then nobody confirms that it has ended.
func TestAProbeThatNobodyEndsIsTakenAway(t *testing.T) {
	var graces []int64
	s := newSite(t)
	s.r.client = interceptor.NewClient(s.c.(client.WithWatch), interceptor.Funcs{
		Delete: func(_ context.Context, _ client.WithWatch, _ client.Object, opts ...client.DeleteOption) error {
			graces = append(graces, *(&client.DeleteOptions{}).ApplyOptions(opts).GracePeriodSeconds)
			return nil
		}})
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "probe", CreationTimestamp: metav1.NewTime(s.now)}}
	if left := s.r.patience(&pod); left != probeLost {
		t.Errorf("a new probe has %s to start, want %s", left, probeLost)
	}
	going := pod
	going.DeletionTimestamp = &metav1.Time{Time: s.now.Add(time.Minute)}
	if left := s.r.patience(&going); left != time.Minute+probeLost {
		t.Errorf("a probe that is being deleted has %s to go, want %s", left, time.Minute+probeLost)
	}
	if err := s.r.deletePods(t.Context(), []corev1.Pod{pod, going}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(graces, []int64{1, 0}) {
		t.Errorf("the graces are %v, want one second and then none", graces)
	}
}

func TestASlowNodeIsAskedLessOften(t *testing.T) {
	s := probed(t)
	up := s.now
	s.runProbe("e")
	s.log = ""
	for after, want := range map[time.Duration]time.Duration{0: time.Second, 5 * time.Second: time.Second, time.Minute: 6 * time.Second, time.Hour: 10 * time.Second} {
		s.now = up.Add(after)
		key := client.ObjectKey{Namespace: v1alpha1.JoinNamespace, Name: "e"}
		result, err := s.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
		if err != nil || result.RequeueAfter != want {
			t.Errorf("%s after the tunnel came up the node is looked at again after %s (%v), want %s", after, result.RequeueAfter, err, want)
		}
	}
}

func TestWithoutEdgeStreamAJoinEndsAtReady(t *testing.T) {
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", func(e *v1alpha1.EdgeEnrollment) { e.Spec.Components.EdgeStream = false })
	s.run("e")
	s.register("edge-1", "192.168.100.1", func(n *corev1.Node) { ready(n); tunnelled(n) })
	wantPhase(t, s.run("e"), v1alpha1.PhaseReady)
}

func TestSigningRefuses(t *testing.T) {
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", nil)
	e := s.run("e")
	e.Status.CSR, e.Status.Phase = []byte("nonsense"), v1alpha1.PhaseCodeUsed
	if err := s.c.Status().Update(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e = s.run("e")
	wantPhase(t, e, v1alpha1.PhaseRefused)
	if got := reason(e, v1alpha1.ConditionCertificateIssued); got != "False CSRInvalid" || len(e.Status.Certificate) > 0 {
		t.Errorf("got %q with %d bytes of certificate", got, len(e.Status.Certificate))
	}
}

func TestSigningWaitsForTheCA(t *testing.T) {
	s := newSite(t)
	var secret corev1.Secret
	s.get(client.ObjectKey{Namespace: "kubeedge", Name: "casecret"}, &secret)
	if err := s.c.Delete(t.Context(), &secret); err != nil {
		t.Fatal(err)
	}
	s.enrollment("e", "edge-1", "192.168.100.1", nil)
	s.run("e")
	s.redeem("e")
	if got := reason(s.run("e"), v1alpha1.ConditionCertificateIssued); got != "False CANotAvailable" {
		t.Fatalf("got %q", got)
	}
	secret.ResourceVersion = ""
	if err := s.c.Create(t.Context(), &secret); err != nil {
		t.Fatal(err)
	}
	wantPhase(t, s.run("e"), v1alpha1.PhaseCertificateIssued)
}

func TestACloudNodeIsNotTouched(t *testing.T) {
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", nil)
	s.run("e")
	s.register("edge-1", "192.168.100.1", func(n *corev1.Node) { n.Labels = map[string]string{"x": "y"}; ready(n) })
	e := s.run("e")
	var n corev1.Node
	s.get(client.ObjectKey{Name: "edge-1"}, &n)
	if len(n.Labels) != 1 || len(n.Spec.Taints) > 0 || reason(e, v1alpha1.ConditionReserved) != "False NameTaken" {
		t.Errorf("the node has labels %v, taints %v; condition %q", n.Labels, n.Spec.Taints, reason(e, v1alpha1.ConditionReserved))
	}
}

func TestLabelsAndTaintsFollowTheEnrollment(t *testing.T) {
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", func(e *v1alpha1.EdgeEnrollment) { e.Spec.Labels["site"] = "a" })
	s.run("e")
	s.register("edge-1", "192.168.100.1", func(n *corev1.Node) { n.Labels["theirs"] = "stays" })
	e := s.run("e")
	e.Spec.Labels, e.Spec.Taints = map[string]string{"site2": "b"}, nil
	if err := s.c.Update(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	s.run("e")
	var n corev1.Node
	s.get(client.ObjectKey{Name: "edge-1"}, &n)
	_, edge := n.Labels[v1alpha1.LabelEdge]
	_, old := n.Labels["site"]
	if !edge || old || n.Labels["site2"] != "b" || n.Labels["theirs"] != "stays" || len(n.Spec.Taints) > 0 {
		t.Errorf("labels %v, taints %v", n.Labels, n.Spec.Taints)
	}
	e = s.run("e")
	e.Spec.Labels = map[string]string{"node.kubernetes.io/exclude-from-external-load-balancers": ""}
	if err := s.c.Update(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if got := reason(s.run("e"), v1alpha1.ConditionNodeConfigured); got != "False InvalidSpec" {
		t.Errorf("a label of Kubernetes' gets %q", got)
	}
}

// TestASilentDeviceIsToldOf: one that was switched off half-way cannot say so itself.
func TestASilentDeviceIsToldOf(t *testing.T) {
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", nil)
	s.redeem("e")
	e := s.run("e")
	wantPhase(t, e, v1alpha1.PhaseCertificateIssued)
	if got := reason(e, v1alpha1.ConditionNodeReady); got != "" {
		t.Errorf("at once: %q", got)
	}
	s.now = s.now.Add(silence)
	if got := reason(s.run("e"), v1alpha1.ConditionNodeReady); got != "False NotRegistered" {
		t.Errorf("after %s: %q", silence, got)
	}
	s.register("edge-1", "192.168.100.1", ready)
	if got := reason(s.run("e"), v1alpha1.ConditionNodeReady); got != "True Ready" {
		t.Errorf("once it is there: %q", got)
	}
}

// TestAReportEndsWhenTheNodeIsThere: it came in by another way, or was mended.
func TestAReportEndsWhenTheNodeIsThere(t *testing.T) {
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", nil)
	e := s.run("e")
	e.Status.FailedChecks = []v1alpha1.FailedCheck{{ID: "disk", Title: "disk space"}}
	meta.SetStatusCondition(&e.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionDeviceChecked, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPreflightFailed})
	if err := s.c.Status().Update(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if e = s.run("e"); len(e.Status.FailedChecks) != 1 {
		t.Error("the report is gone before the node is there")
	}
	s.register("edge-1", "192.168.100.1", nil)
	e = s.run("e")
	if got := reason(e, v1alpha1.ConditionDeviceChecked); got != "True DeviceReady" || len(e.Status.FailedChecks) > 0 {
		t.Errorf("%q with %v", got, e.Status.FailedChecks)
	}
}

// TestANameThatACloudNodeTookMeanwhile: nothing is given out for it, and it is told.
func TestANameThatACloudNodeTookMeanwhile(t *testing.T) {
	s := newSite(t)
	e := s.enrollment("e", "cp-2", "192.168.100.1", nil)
	reconcile := func() *v1alpha1.EdgeEnrollment {
		key := client.ObjectKeyFromObject(e)
		for range 3 {
			if _, err := s.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
				t.Fatal(err)
			}
		}
		var now v1alpha1.EdgeEnrollment
		if err := s.c.Get(t.Context(), key, &now); err != nil {
			t.Fatal(err)
		}
		return &now
	}
	if got := reconcile(); got.Status.Phase != v1alpha1.PhasePending || got.OfDevice() {
		t.Fatalf("phase is %s, of a device: %v; want Pending, of nobody yet", got.Status.Phase, got.OfDevice())
	}
	if err := s.c.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "cp-2"}}); err != nil {
		t.Fatal(err)
	}
	s.redeem("e")
	now := reconcile()
	c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionReserved)
	if len(now.Status.Certificate) > 0 {
		t.Error("a certificate with a cloud node's name is signed")
	}
	if now.Status.Phase != v1alpha1.PhaseRefused || now.OfDevice() || c == nil || c.Reason != v1alpha1.ReasonNameTaken {
		t.Errorf("phase is %s, Reserved %+v; want it refused, since the name is a cloud node's", now.Status.Phase, c)
	}
}

// TestAnEnrollmentThatCannotBeRead is told on itself, without harm to what it says.
func TestAnEnrollmentThatCannotBeRead(t *testing.T) {
	s := newSite(t)
	e := s.enrollment("e", "n", "192.168.100.1", nil)
	key := client.ObjectKeyFromObject(e)
	bad := e.DeepCopy()
	bad.Spec, bad.Undecodable = v1alpha1.EdgeEnrollmentSpec{}, `time: invalid duration "zzz"`
	for range 2 {
		if err := s.r.tellUndecodable(t.Context(), bad); err != nil {
			t.Fatal(err)
		}
	}
	var now v1alpha1.EdgeEnrollment
	if err := s.c.Get(t.Context(), key, &now); err != nil {
		t.Fatal(err)
	}
	c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionReserved)
	if c == nil || c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonInvalid || !strings.Contains(c.Message, "zzz") || now.Spec.NodeName != "n" {
		t.Errorf("Reserved is %+v, spec %+v; want the reason in the condition and the spec as it was", c, now.Spec)
	}
}
