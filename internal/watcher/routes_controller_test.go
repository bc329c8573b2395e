package watcher

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

var created = metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))

// site is a cluster held by the fake client, and a log of every write to it.
type site struct {
	client.Client
	mu     sync.Mutex
	writes []string
	// refuse, when set, answers the next update.
	refuse error
	events *events.FakeRecorder
}

func newSite(t *testing.T, objects ...client.Object) *site {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{events: events.NewFakeRecorder(16)}
	s.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&corev1.Node{}, &v1alpha1.EdgeRouteTargets{}, &corev1.Pod{}, &v1alpha1.CloudNodeRoutes{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
				s.note("create", obj)
				return c.Create(ctx, obj, opts...)
			},
			Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
				if err := s.refuse; err != nil {
					s.refuse = nil
					return err
				}
				s.note("update", obj)
				return c.Update(ctx, obj, opts...)
			},
			Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
				s.note("patch", obj)
				return c.Patch(ctx, obj, patch, opts...)
			},
			Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
				s.note("delete", obj)
				return c.Delete(ctx, obj, opts...)
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, name string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
				s.note("patch "+name, obj)
				return c.SubResource(name).Patch(ctx, obj, patch, opts...)
			},
		}).Build()
	return s
}

func (s *site) note(verb string, obj client.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, fmt.Sprintf("%s %T %s", verb, obj, obj.GetName()))
}

// took returns the writes since the last call.
func (s *site) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	writes := s.writes
	s.writes = nil
	return writes
}

func (s *site) reconciler(t *testing.T) *routeReconciler {
	t.Helper()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	o := DefaultOptions()
	settings, err := o.settings()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	own := newEcho()
	return &routeReconciler{
		gatherer: gatherer{reader: s, nodes: s.nodes, service: o.CloudCoreService, settings: settings},
		guard:    o.StreamGuard,
		writer:   writer{client: s, live: s, wrote: m.wrote, echo: own},
		findings: &findings{},
		metrics:  m,
		notes:    &noteBoard{},
		health:   &health{now: time.Now},
		causes:   &causes{now: time.Now},
		echo:     own,
		log:      log,
	}
}

// nodes are all that there are, as the store of nodes would have them.
func (s *site) nodes(ctx context.Context) ([]routes.Node, error) {
	var list corev1.NodeList
	if err := s.List(ctx, &list); err != nil {
		return nil, err
	}
	var out []routes.Node
	for i := range list.Items {
		out = append(out, nodes.Of(&list.Items[i]).Node)
	}
	return out, nil
}

// sync reconciles and returns what was written.
func (s *site) sync(t *testing.T, r *routeReconciler) []string {
	t.Helper()
	result, err := r.Reconcile(t.Context(), everything)
	if err != nil || result.RequeueAfter != 0 {
		t.Fatalf("Reconcile: %+v, %v", result, err)
	}
	return s.took()
}

func edgeNode(name, addr string, port int32) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID("uid-" + name), CreationTimestamp: created,
			Labels: map[string]string{v1alpha1.LabelEdge: ""},
		},
		Status: corev1.NodeStatus{
			Addresses:       []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: addr}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: port}},
			Conditions: []corev1.NodeCondition{
				{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: created},
				{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse, LastHeartbeatTime: created},
			},
			Images: []corev1.ContainerImage{{Names: []string{"registry.example/image:tag"}, SizeBytes: 1 << 20}},
		},
	}
}

func cloudCoreObjects(ip string, port int) []client.Object {
	node := "cp"
	return []client.Object{
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{
				Name: "cloudcore-x", Namespace: v1alpha1.KubeEdgeNamespace,
				Labels: map[string]string{discoveryv1.LabelServiceName: "cloudcore"},
			},
			AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints: []discoveryv1.Endpoint{{
				Addresses: []string{ip}, NodeName: &node,
				Conditions: discoveryv1.EndpointConditions{Ready: new(bool)},
				TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: v1alpha1.KubeEdgeNamespace, Name: "cloudcore-a"},
			}},
		},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name: v1alpha1.TunnelPortConfigMap, Namespace: v1alpha1.KubeEdgeNamespace,
			Annotations: map[string]string{v1alpha1.TunnelPortAnnotation: fmt.Sprintf(`{"ipTunnelPort":{%q:%d},"port":{"%d":true}}`, ip, port, port)},
		}},
	}
}

func (s *site) change(t *testing.T, name string, f func(*corev1.Node)) {
	t.Helper()
	var node corev1.Node
	if err := s.Get(t.Context(), client.ObjectKey{Name: name}, &node); err != nil {
		t.Fatal(err)
	}
	f(&node)
	status := node.Status
	if err := s.Update(t.Context(), &node); err != nil {
		t.Fatal(err)
	}
	node.Status = status
	if err := s.Status().Update(t.Context(), &node); err != nil {
		t.Fatal(err)
	}
	s.took()
}

// replace puts an object in the place of the one with its name.
func (s *site) replace(t *testing.T, obj client.Object) {
	t.Helper()
	if err := s.Delete(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
	obj.SetResourceVersion("")
	if err := s.Create(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
	s.took()
}

func (s *site) routes(t *testing.T) []string {
	t.Helper()
	var list v1alpha1.EdgeRouteSliceList
	if err := s.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	lines := []string{}
	for _, slice := range list.Items {
		if want := fmt.Sprint(len(slice.Routes)); slice.Annotations[v1alpha1.AnnotationRoutes] != want {
			t.Errorf("slice %s says it has %q routes, and has %s", slice.Name, slice.Annotations[v1alpha1.AnnotationRoutes], want)
		}
		for _, r := range slice.Routes {
			lines = append(lines, fmt.Sprintf("%s %s %v->%s", r.Node, r.Address, r.Ports, r.Target))
		}
	}
	slices.Sort(lines)
	return lines
}

func largeSite(t *testing.T) *site {
	t.Helper()
	objects := cloudCoreObjects("10.1.0.5", 10351)
	for i := range 600 {
		objects = append(objects, edgeNode(fmt.Sprintf("edge-%03d", i), fmt.Sprintf("192.168.%d.%d", i/250, i%250+1), 10351))
	}
	return newSite(t, objects...)
}

func TestFirstSyncWritesTargetsFirst(t *testing.T) {
	s := newSite(t, append(cloudCoreObjects("10.1.0.5", 10351), edgeNode("e1", "192.168.100.1", 10351))...)
	got := s.sync(t, s.reconciler(t))
	want := []string{"create *v1alpha1.EdgeRouteTargets cloudcore", "create *v1alpha1.EdgeRouteSlice edge-00000"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"e1 192.168.100.1 [10250 10350]->10351"}, s.routes(t)); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	var targets v1alpha1.EdgeRouteTargets
	if err := s.Get(t.Context(), client.ObjectKey{Name: v1alpha1.TargetsName}, &targets); err != nil {
		t.Fatal(err)
	}
	wantTargets := []v1alpha1.EdgeRouteTarget{{ID: "10351", TunnelPort: 10351,
		Endpoints: []v1alpha1.EdgeRouteEndpoint{{Address: "10.1.0.5", Port: 10003}}}}
	if diff := cmp.Diff(wantTargets, targets.Targets); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

func TestWritesAreMinimal(t *testing.T) {
	s := largeSite(t)
	r := s.reconciler(t)
	if got := s.sync(t, r); len(got) != 7 {
		t.Fatalf("first sync writes %v, want targets and six slices", got)
	}
	setPort := func(port int32) func(*corev1.Node) {
		return func(n *corev1.Node) { n.Status.DaemonEndpoints.KubeletEndpoint.Port = port }
	}
	steps := []struct {
		name   string
		change func()
		want   []string
	}{
		{"nothing", func() {}, nil},
		{"a restart", func() { r = s.reconciler(t) }, nil},
		{"a heartbeat", func() {
			s.change(t, "edge-300", func(n *corev1.Node) { n.Status.Conditions[0].LastHeartbeatTime = metav1.Now() })
		}, nil},
		{"a node is not ready", func() {
			s.change(t, "edge-300", func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown })
		}, nil},
		{"an address", func() {
			s.change(t, "edge-300", func(n *corev1.Node) { n.Status.Addresses[1].Address = "10.7.7.7" })
		}, []string{"update *v1alpha1.EdgeRouteSlice edge-00003"}},
		{"the label goes", func() {
			s.change(t, "edge-001", func(n *corev1.Node) { delete(n.Labels, v1alpha1.LabelEdge) })
		}, []string{"update *v1alpha1.EdgeRouteSlice edge-00000"}},
		{"a new node", func() {
			if err := s.Create(t.Context(), edgeNode("new", "10.7.7.8", 10351)); err != nil {
				t.Fatal(err)
			}
			s.took()
		}, []string{"update *v1alpha1.EdgeRouteSlice edge-00000"}},
		{"a port that is no tunnel port leaves the only CloudCore", func() { s.change(t, "edge-300", setPort(10350)) }, nil},
		{"a slice is deleted by a foreign hand", func() {
			obj := &v1alpha1.EdgeRouteSlice{ObjectMeta: metav1.ObjectMeta{Name: "edge-00002"}}
			if err := s.Delete(t.Context(), obj); err != nil {
				t.Fatal(err)
			}
			s.took()
		}, []string{"create *v1alpha1.EdgeRouteSlice edge-00002"}},
	}
	for _, step := range steps {
		step.change()
		if diff := cmp.Diff(step.want, s.sync(t, r)); diff != "" {
			t.Errorf("%s: writes (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestCloudCoreMovesWithOneWrite(t *testing.T) {
	s := largeSite(t)
	r := s.reconciler(t)
	s.sync(t, r)
	for _, obj := range cloudCoreObjects("10.1.0.9", 10351) {
		s.replace(t, obj)
	}
	want := []string{"update *v1alpha1.EdgeRouteTargets cloudcore"}
	if diff := cmp.Diff(want, s.sync(t, r)); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestBrokenRecordKeepsRoutes(t *testing.T) {
	s := newSite(t, append(cloudCoreObjects("10.1.0.5", 10351), edgeNode("e1", "192.168.100.1", 10351))...)
	r := s.reconciler(t)
	s.sync(t, r)
	record := cloudCoreObjects("10.1.0.5", 10351)[1]
	record.SetAnnotations(map[string]string{v1alpha1.TunnelPortAnnotation: "{"})
	s.replace(t, record)
	if got := s.sync(t, r); len(got) != 0 {
		t.Errorf("writes %v, want none", got)
	}
	if got := s.routes(t); len(got) != 1 {
		t.Errorf("routes are %v, want the one there was", got)
	}
}

func enrollmentIn(name, node, addr string, phase v1alpha1.EnrollmentPhase) *v1alpha1.EdgeEnrollment {
	reserved := metav1.ConditionTrue
	switch phase {
	case "", v1alpha1.PhaseRefused, v1alpha1.PhaseRetired:
		reserved = metav1.ConditionFalse
	}
	return &v1alpha1.EdgeEnrollment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.JoinNamespace, CreationTimestamp: created, UID: types.UID(name)},
		Spec:       v1alpha1.EdgeEnrollmentSpec{NodeName: node, NodeIP: addr},
		Status: v1alpha1.EdgeEnrollmentStatus{Phase: phase,
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReserved, Status: reserved}}},
	}
}

// Of all the enrollments for one address the oldest that holds it counts; the tombstone
// of a retired device is older still and holds nothing.
// TestEnrollmentsInVainAskForNoLook: what holds nothing comes, changes and goes unnoticed.
func TestEnrollmentsInVainAskForNoLook(t *testing.T) {
	p := enrollmentCounts()
	vain := enrollmentIn("vain", "e1", "192.168.1.1", v1alpha1.PhaseRefused)
	fresh := enrollmentIn("vain", "e1", "192.168.1.1", "")
	fresh.Status.Conditions = nil
	unreadable := &v1alpha1.EdgeEnrollment{ObjectMeta: vain.ObjectMeta, Undecodable: "why"}
	holder := enrollmentIn("vain", "e1", "192.168.1.1", v1alpha1.PhasePending)
	retired := enrollmentIn("vain", "e1", "192.168.1.1", v1alpha1.PhaseRetired)
	for i, e := range []*v1alpha1.EdgeEnrollment{vain, fresh, unreadable, holder, retired} {
		matters := i > 2
		if p.Create(event.CreateEvent{Object: e}) != matters || p.Delete(event.DeleteEvent{Object: e}) != matters {
			t.Errorf("enrollment %d, phase %q: its creation and deletion ask for a look: %t, want %t", i, e.Status.Phase, !matters, matters)
		}
		if p.Update(event.UpdateEvent{ObjectOld: fresh, ObjectNew: e}) != matters || p.Update(event.UpdateEvent{ObjectOld: e, ObjectNew: fresh}) != matters {
			t.Errorf("enrollment %d, phase %q: a change from or to it asks for a look: %t, want %t", i, e.Status.Phase, !matters, matters)
		}
	}
	if !p.Update(event.UpdateEvent{ObjectOld: holder, ObjectNew: retired}) {
		t.Error("a retirement asks for no look")
	}
}

func TestReservationsOfAcceptedEnrollments(t *testing.T) {
	phases := map[string]v1alpha1.EnrollmentPhase{
		"a": "", "b": v1alpha1.PhaseRefused, "c": v1alpha1.PhaseExpired, "cc": v1alpha1.PhaseRetired,
		"d": v1alpha1.PhasePending, "e": v1alpha1.PhaseVerified,
	}
	var objects []client.Object
	for name, phase := range phases {
		objects = append(objects, enrollmentIn(name, name, "192.168.100.1", phase))
	}
	s := newSite(t, objects...)
	in, err := s.reconciler(t).gatherer.gather(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for addr, node := range in.Reservations {
		got[addr.String()] = node
	}
	if diff := cmp.Diff(map[string]string{"192.168.100.1": "d"}, got); diff != "" {
		t.Errorf("reservations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"cc", "e"}, slices.Sorted(maps.Keys(in.Enrolled))); diff != "" {
		t.Errorf("names of devices (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]bool{"cc": true}, in.Retired); diff != "" {
		t.Errorf("retired names (-want +got):\n%s", diff)
	}
}

// A name that was enrolled again is not retired, whatever its tombstone says.
func TestAReusedNameIsNotRetired(t *testing.T) {
	s := newSite(t, enrollmentIn("old", "press-7", "192.168.100.1", v1alpha1.PhaseRetired),
		enrollmentIn("new", "press-7", "192.168.100.2", v1alpha1.PhaseVerified))
	in, err := s.reconciler(t).gatherer.gather(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Retired) != 0 || len(in.Enrolled["press-7"]) == 0 {
		t.Errorf("retired %v, devices %v", in.Retired, in.Enrolled)
	}
}

// The address of a retired device was given to a new node; then the old device comes
// back. The new node keeps its route, even when its Node is the younger one.
func TestARetiredDeviceThatComesBackTakesNoAddress(t *testing.T) {
	returned := edgeNode("press-7", "192.168.100.1", 10351)
	replacement := edgeNode("press-8", "192.168.100.1", 10351)
	replacement.CreationTimestamp = metav1.NewTime(created.Add(time.Hour))
	tombstone := enrollmentIn("press-7-x", "press-7", "192.168.100.1", v1alpha1.PhaseRetired)
	living := enrollmentIn("press-8-x", "press-8", "192.168.100.1", v1alpha1.PhaseVerified)
	living.CreationTimestamp = replacement.CreationTimestamp
	s := newSite(t, append(cloudCoreObjects("10.1.0.5", 10351), returned, replacement, tombstone, living)...)
	r := s.reconciler(t)
	s.sync(t, r)
	want := map[string]routes.Reason{"press-7": routes.ReasonAddressConflict, "press-8": routes.ReasonAddressShared}
	for node, reason := range want {
		if finding, _, _ := r.findings.get(node); finding.Reason != reason {
			t.Errorf("finding of %s is %+v, want %s", node, finding, reason)
		}
	}
}

func TestConflictReachesBothNodes(t *testing.T) {
	older := edgeNode("older", "192.168.100.1", 10351)
	younger := edgeNode("younger", "192.168.100.1", 10351)
	younger.CreationTimestamp = metav1.NewTime(created.Add(time.Hour))
	s := newSite(t, append(cloudCoreObjects("10.1.0.5", 10351), older, younger)...)
	r := s.reconciler(t)
	s.sync(t, r)
	want := map[string]routes.Reason{"older": routes.ReasonAddressShared, "younger": routes.ReasonAddressConflict}
	for node, reason := range want {
		if finding, _, _ := r.findings.get(node); finding.Reason != reason {
			t.Errorf("%s: reason is %s, want %s", node, finding.Reason, reason)
		}
	}
}
