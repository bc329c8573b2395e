package watcher

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

var (
	routed   = routes.Finding{Routed: true, Works: true, Reason: routes.ReasonRouted, Message: "redirected"}
	conflict = routes.Finding{Reason: routes.ReasonAddressConflict, Message: "taken"}
	noCore   = routes.Finding{Routed: true, Transient: true, Reason: routes.ReasonNoEndpoint, Message: "no endpoint"}
)

// conditions is a condition controller with one Node, a clock and its Events.
type conditions struct {
	*conditionReconciler
	site     *site
	recorder *events.FakeRecorder
	clock    time.Time
}

func newConditions(t *testing.T) *conditions {
	t.Helper()
	c := &conditions{
		site:     newSite(t, edgeNode("e1", "192.168.100.1", 10351)),
		recorder: events.NewFakeRecorder(16),
		clock:    created.Time,
	}
	store := newStore(t)
	c.conditionReconciler = &conditionReconciler{
		client: c.site, nodes: store, findings: &findings{nodes: store}, events: c.recorder,
		now: func() metav1.Time { return metav1.NewTime(c.clock) },
	}
	return c
}

func newStore(t *testing.T) *nodes.Store {
	t.Helper()
	store, err := nodes.NewStore(&rest.Config{}, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// see brings the Node as it is into the store.
func (c *conditions) see(t *testing.T) *corev1.Node {
	t.Helper()
	var node corev1.Node
	if err := c.site.Get(t.Context(), client.ObjectKey{Name: "e1"}, &node); err != nil {
		t.Fatal(err)
	}
	if err := c.nodes.Add(&node); err != nil {
		t.Fatal(err)
	}
	return &node
}

// sync publishes a finding for e1 (none when nil) and returns condition, writes and Event.
func (c *conditions) sync(t *testing.T, finding *routes.Finding) (*corev1.NodeCondition, []string, string) {
	t.Helper()
	next := map[string]routes.Finding{}
	if finding != nil {
		next["e1"] = *finding
	}
	c.see(t)
	c.findings.publish(next)
	c.clock = c.clock.Add(time.Minute)
	if _, err := c.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "e1"}}); err != nil {
		t.Fatal(err)
	}
	node := c.see(t)
	if len(node.Status.Conditions) < 2 || node.Status.Conditions[0].Type != corev1.NodeReady && node.Status.Conditions[1].Type != corev1.NodeReady {
		t.Errorf("the kubelet's conditions are gone: %+v", node.Status.Conditions)
	}
	told := ""
	select {
	case told = <-c.recorder.Events:
	default:
	}
	return nodes.RoutedCondition(node), c.site.took(), told
}

func TestConditionFollowsFinding(t *testing.T) {
	c := newConditions(t)
	steps := []struct {
		name    string
		finding *routes.Finding
		status  corev1.ConditionStatus
		writes  int
		event   string
		moved   bool // lastTransitionTime is this step's
	}{
		{"all right from the start", &routed, corev1.ConditionTrue, 1, "", true},
		{"again", &routed, corev1.ConditionTrue, 0, "", false},
		{"a conflict", &conflict, corev1.ConditionFalse, 1, "Warning AddressConflict", true},
		{"another reason", &noCore, corev1.ConditionFalse, 1, "Warning NoEndpoint", false},
		{"well again", &routed, corev1.ConditionTrue, 1, "Normal Routed", true},
		{"no edge node any more", nil, "", 1, "", false},
		{"and still none", nil, "", 0, "", false},
	}
	for _, step := range steps {
		condition, writes, told := c.sync(t, step.finding)
		if len(writes) != step.writes {
			t.Errorf("%s: writes %v, want %d", step.name, writes, step.writes)
		}
		if !strings.HasPrefix(told, step.event) || (told == "") != (step.event == "") {
			t.Errorf("%s: event %q, want %q", step.name, told, step.event)
		}
		if step.finding == nil {
			if condition != nil {
				t.Errorf("%s: condition %+v is left", step.name, condition)
			}
			continue
		}
		if condition == nil || condition.Status != step.status || condition.Reason != string(step.finding.Reason) {
			t.Fatalf("%s: condition is %+v", step.name, condition)
		}
		if moved := condition.LastTransitionTime.Time.Equal(c.clock); moved != step.moved {
			t.Errorf("%s: transition at %v, clock %v", step.name, condition.LastTransitionTime, c.clock)
		}
	}
}

func TestNothingIsConcludedBeforeTheFirstPlan(t *testing.T) {
	c := newConditions(t)
	node := edgeNode("e1", "", 0)
	node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: v1alpha1.ConditionRouted, Status: corev1.ConditionTrue})
	if err := c.site.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	c.see(t)
	if _, err := c.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "e1"}}); err != nil {
		t.Fatal(err)
	}
	if got := c.site.took(); len(got) != 0 {
		t.Errorf("writes %v, want none", got)
	}
}

// Only nodes whose condition is wrong are asked for at the start, then those whose
// finding changed, and what CloudCore's restart causes is not asked for at once.
func TestFindingsAskForChangedNodes(t *testing.T) {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	f := &findings{nodes: newStore(t)}
	// z had a condition when it was an edge node, and a has the right one.
	for name, condition := range map[string]*corev1.NodeCondition{"a": {Status: corev1.ConditionTrue, Reason: "Routed", Message: "redirected"},
		"b": {Status: corev1.ConditionTrue, Reason: "Routed", Message: "redirected"}, "n": nil, "z": {Status: corev1.ConditionTrue}} {
		node := edgeNode(name, "192.168.100.1", 10351)
		if condition != nil {
			condition.Type = v1alpha1.ConditionRouted
			node.Status.Conditions = append(node.Status.Conditions, *condition)
		}
		if err := f.nodes.Add(node); err != nil {
			t.Fatal(err)
		}
	}
	f.publish(map[string]routes.Finding{"a": routed, "b": conflict, "n": routed})
	if err := f.start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]bool{"b": true, "n": true, "z": true}, drain(queue)); diff != "" {
		t.Errorf("asked at the start (-want +got):\n%s", diff)
	}
	f.publish(map[string]routes.Finding{"a": routed, "c": routed, "n": routed})
	if diff := cmp.Diff(map[string]bool{"b": true, "c": true}, drain(queue)); diff != "" {
		t.Errorf("asked after a change (-want +got):\n%s", diff)
	}
	f.publish(map[string]routes.Finding{"a": noCore, "c": routed, "n": routed})
	if got := drain(queue); len(got) != 0 {
		t.Errorf("asked at once for %v, although CloudCore may be back soon", got)
	}
}

func drain(queue requestQueue) map[string]bool {
	names := map[string]bool{}
	for queue.Len() > 0 {
		request, _ := queue.Get()
		names[request.Name] = true
		queue.Done(request)
	}
	return names
}

func TestConditionRequests(t *testing.T) {
	with := func(status corev1.ConditionStatus) *nodes.Node {
		node := edgeNode("e1", "192.168.100.1", 10351)
		if status != "" {
			node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: v1alpha1.ConditionRouted, Status: status})
		}
		return nodes.Of(node)
	}
	for _, test := range []struct {
		name          string
		before, after *nodes.Node
		want          int
	}{
		{"a heartbeat", with("True"), with("True"), 0},
		{"a heartbeat without ours", with(""), with(""), 0},
		{"removed", with("True"), with(""), 1},
		{"changed", with("True"), with("False"), 1},
		{"found with ours", nil, with("True"), 1},
		{"found without ours", nil, with(""), 0},
		{"deleted", with("True"), nil, 0},
	} {
		if got := conditionRequests(t.Context(), test.before, test.after); len(got) != test.want {
			t.Errorf("%s: %v, want %d", test.name, got, test.want)
		}
	}
}
