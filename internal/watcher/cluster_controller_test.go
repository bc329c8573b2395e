package watcher

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
)

func runningPod(namespace, name, node, ip string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       corev1.PodSpec{NodeName: node},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: []corev1.PodIP{{IP: ip}}},
	}
}

// clock is a time that tests move on.
type clock struct{ now time.Time }

func (s *site) cluster(t *testing.T, at *clock, board *noteBoard) *clusterReconciler {
	t.Helper()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	return &clusterReconciler{
		client: s, nodes: s.nodes, pods: &podSource{reader: s}, board: board,
		patience: patience{now: func() time.Time { return at.now }}, notes: noteLog{log: log}, metrics: m, log: log,
		events: s.events,
	}
}

// judge reconciles and returns what was written, and when to look again.
func (s *site) judge(t *testing.T, r *clusterReconciler) ([]string, time.Duration) {
	t.Helper()
	result, err := r.Reconcile(t.Context(), everything)
	if err != nil {
		t.Fatal(err)
	}
	return s.took(), result.RequeueAfter
}

func (s *site) problems(t *testing.T) []string {
	t.Helper()
	var targets v1alpha1.EdgeRouteTargets
	if err := s.Get(t.Context(), client.ObjectKey{Name: v1alpha1.TargetsName}, &targets); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range targets.Status.Conditions {
		out = append(out, c.Type)
	}
	return out
}

func report(node, address string) *v1alpha1.CloudNodeRoutes {
	return &v1alpha1.CloudNodeRoutes{
		ObjectMeta: metav1.ObjectMeta{Name: node}, Status: v1alpha1.CloudNodeRoutesStatus{Addresses: []string{address}},
	}
}

// TestStaleReportsAreDeleted: an enrollment for a cloud node's name, whatever became of
// it, does not take that node's report away.
func TestStaleReportsAreDeleted(t *testing.T) {
	cloud, enrolled := edgeNode("cloud", "10.0.0.1", 10250), edgeNode("enrolled", "10.0.0.9", 10250)
	cloud.Labels, enrolled.Labels = nil, nil
	s := newSite(t, cloud, enrolled, edgeNode("edge", "192.168.1.1", 10351),
		report("cloud", "10.0.0.1"), report("edge", "192.168.1.1"), report("gone", "10.0.0.3"), report("enrolled", "10.0.0.9"),
		&v1alpha1.EdgeEnrollment{
			ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: v1alpha1.JoinNamespace},
			Spec:       v1alpha1.EdgeEnrollmentSpec{NodeName: "enrolled", NodeIP: "192.168.1.9"},
			Status:     v1alpha1.EdgeEnrollmentStatus{Phase: v1alpha1.PhaseVerified},
		})
	got, _ := s.judge(t, s.cluster(t, &clock{time.Unix(0, 0)}, &noteBoard{}))
	want := []string{"delete *v1alpha1.CloudNodeRoutes edge", "delete *v1alpha1.CloudNodeRoutes gone"}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("writes are %v, want %v", got, want)
	}
}

func TestProblemsAreToldOnceTheyLast(t *testing.T) {
	cloud := edgeNode("cp", "10.0.0.1", 10250)
	cloud.Labels = nil
	operator := runningPod(v1alpha1.KubeEdgeNamespace, "operator", "cp", "10.0.0.1", map[string]string{"app.kubernetes.io/name": v1alpha1.OperatorDaemonSet})
	operator.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	s := newSite(t, cloud, report("cp", "10.0.0.1"), operator,
		&v1alpha1.EdgeRouteTargets{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.TargetsName, UID: "u"}},
		&discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes"},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}}}})
	at, board := &clock{time.Unix(1_800_000_000, 0)}, &noteBoard{}
	r := s.cluster(t, at, board)
	step := func(what string, want []string, writes int) time.Duration {
		t.Helper()
		got, again := s.judge(t, r)
		if len(got) != writes {
			t.Errorf("%s: writes are %v, want %d", what, got, writes)
		}
		if problems := s.problems(t); !slices.Equal(problems, want) {
			t.Errorf("%s: problems are %v, want %v", what, problems, want)
		}
		return again
	}
	step("before the first plan", nil, 0)
	board.publish(nil)
	step("all is well", nil, 0)

	operator.Status.Conditions = nil
	if err := s.Status().Update(t.Context(), operator); err != nil {
		t.Fatal(err)
	}
	s.took()
	if again := step("an operator is not ready for a moment", nil, 0); again <= 0 || again > noteGrace {
		t.Errorf("the next look is in %v, want within %v", again, noteGrace)
	}
	at.now = at.now.Add(noteGrace)
	told := []string{v1alpha1.ConditionOperatorMissing}
	step("it stays so", told, 1)
	at.now = at.now.Add(time.Hour)
	step("and stays so", told, 0)
	r = s.cluster(t, at, board)
	step("a restart", told, 0)
	r = s.cluster(t, at, &noteBoard{})
	step("a restart, before the first plan", told, 0)

	board.publish([]routes.Note{{Reason: routes.NoteDestinationIsCloudNode, Message: "m"}})
	r = s.cluster(t, at, board)
	step("a note of the routes needs no patience", []string{string(routes.NoteDestinationIsCloudNode), v1alpha1.ConditionOperatorMissing}, 1)
	board.publish(nil)
	operator.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if err := s.Status().Update(t.Context(), operator); err != nil {
		t.Fatal(err)
	}
	s.took()
	step("all is well again", nil, 1)
}

// TestUnusableReports: what is wrong with a report is told with field, value and remedy, by
// an Event at once and by a condition once it lasts; the other reports count.
func TestUnusableReports(t *testing.T) {
	var objects []client.Object
	for i, name := range []string{"cloud-1", "cloud-2"} {
		cloud := edgeNode(name, fmt.Sprintf("10.0.0.%d", i+1), 10250)
		cloud.Labels = nil
		operator := runningPod(v1alpha1.KubeEdgeNamespace, "operator-"+name, name, "10.0.0.1", map[string]string{"app.kubernetes.io/name": v1alpha1.OperatorDaemonSet})
		operator.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		objects = append(objects, cloud, operator)
	}
	bad := report("cloud-2", "10.0.0.2")
	bad.UID, bad.Status.Addresses = "u2", append(bad.Status.Addresses, "10.0.0.300")
	s := newSite(t, append(objects, report("cloud-1", "10.0.0.1"), bad,
		&v1alpha1.EdgeRouteTargets{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.TargetsName, UID: "u"}},
		// The API server listens on the address of the good report and the good one of the bad report.
		&discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes"},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1", "10.0.0.2"}}}})...)
	at, board := &clock{time.Unix(1_800_000_000, 0)}, &noteBoard{}
	board.publish(nil)
	r := s.cluster(t, at, board)
	const message = `CloudNodeRoutes cloud-2 cannot be used: status.addresses[1] "10.0.0.300" is no IP address. ` +
		"Addresses of this cloud node may be unknown. Delete CloudNodeRoutes cloud-2: the iptables-operator of that node writes it anew."
	for range 2 {
		s.judge(t, r)
		at.now = at.now.Add(noteGrace)
	}
	if got := s.problems(t); !slices.Equal(got, []string{v1alpha1.ConditionReportUnusable}) {
		t.Fatalf("problems are %v", got)
	}
	var targets v1alpha1.EdgeRouteTargets
	if err := s.Get(t.Context(), client.ObjectKey{Name: v1alpha1.TargetsName}, &targets); err != nil {
		t.Fatal(err)
	}
	if got := targets.Status.Conditions[0].Message; got != message {
		t.Errorf("the condition says %q, want %q", got, message)
	}
	if want := "Warning ReportUnusable " + message; len(s.events.Events) != 1 || <-s.events.Events != want {
		t.Errorf("want one Event, %q", want)
	}
	bad.Status.Addresses = bad.Status.Addresses[:1]
	if err := s.Status().Update(t.Context(), bad); err != nil {
		t.Fatal(err)
	}
	if s.judge(t, r); len(s.problems(t)) != 0 || len(s.events.Events) != 0 {
		t.Errorf("once corrected, problems are %v, and there are %d Events", s.problems(t), len(s.events.Events))
	}

	unreadable := *report("cloud-2", "10.0.0.2")
	unreadable.Undecodable = `status.appliedAt "yesterday": no time`
	for range 2 {
		if got := r.unusable([]v1alpha1.CloudNodeRoutes{*report("cloud-1", "10.0.0.1"), unreadable}); len(got) != 1 || got["cloud-2"] != unreadable.Undecodable {
			t.Errorf("unusable are %v, want cloud-2", got)
		}
	}
	if len(s.events.Events) != 1 {
		t.Errorf("%d Events about one report, want 1", len(s.events.Events))
	}
	if reportDiffers(&unreadable, &unreadable) || !reportDiffers(&unreadable, report("cloud-2", "10.0.0.2")) {
		t.Error("a report that can be read again asks for no look")
	}
}

// What is written carries the time of the oldest event that it answers, also when it
// took several attempts; nothing is written for the time's sake.
func TestWritesCarryTheTimeOfTheirCause(t *testing.T) {
	s := newSite(t, append(cloudCoreObjects("10.1.0.5", 10351), edgeNode("e1", "192.168.100.1", 10351))...)
	r := s.reconciler(t)
	s.sync(t, r)
	stamped := func() string {
		var slice v1alpha1.EdgeRouteSlice
		if err := s.Get(t.Context(), client.ObjectKey{Name: "edge-00000"}, &slice); err != nil {
			t.Fatal(err)
		}
		return slice.Annotations[v1alpha1.AnnotationChangedAt]
	}
	first := stamped()
	seen := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	r.causes.seenAt(seen)
	if got := s.sync(t, r); len(got) != 0 || stamped() != first {
		t.Errorf("an event without a change writes %v", got)
	}
	r.causes.seenAt(seen.Add(time.Second))
	r.causes.seenAt(seen)
	r.causes.seenAt(seen.Add(time.Minute))
	s.change(t, "e1", func(n *corev1.Node) { n.Status.Addresses[1].Address = "192.168.100.2" })
	s.refuse = errConflict
	if result, err := r.Reconcile(t.Context(), everything); err != nil || result.RequeueAfter == 0 {
		t.Fatalf("Reconcile: %+v, %v; want to be called again soon", result, err)
	}
	s.sync(t, r)
	if got := stamped(); got != seen.Format(time.RFC3339Nano) {
		t.Errorf("changed-at is %s, want %s", got, seen.Format(time.RFC3339Nano))
	}
}
