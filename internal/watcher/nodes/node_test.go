package nodes

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

func edgeNode(name string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid", Labels: map[string]string{v1alpha1.LabelEdge: ""}},
		Status: corev1.NodeStatus{
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: "192.168.100.1"}, {Type: corev1.NodeExternalIP, Address: "203.0.113.1"}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: 10351}},
			Conditions: []corev1.NodeCondition{
				{Type: corev1.NodeReady, Status: corev1.ConditionTrue},
				{Type: v1alpha1.ConditionRouted, Status: corev1.ConditionTrue, Reason: "Routed", Message: "redirected"},
			},
		},
	}
}

func TestAddressesThatCount(t *testing.T) {
	node := edgeNode("e1")
	if diff := cmp.Diff([]string{"192.168.100.1"}, Of(node).Addresses); diff != "" {
		t.Errorf("of an edge node (-want +got):\n%s", diff)
	}
	delete(node.Labels, v1alpha1.LabelEdge)
	if diff := cmp.Diff([]string{"192.168.100.1", "203.0.113.1"}, Of(node).Addresses); diff != "" {
		t.Errorf("of a cloud node (-want +got):\n%s", diff)
	}
}

// TestWhoIsToldOfAChange: every kind of change reaches those it concerns, and a
// heartbeat nobody.
func TestWhoIsToldOfAChange(t *testing.T) {
	for _, test := range []struct {
		name                       string
		change                     func(*corev1.Node)
		routing, followed, routedC bool
	}{
		{"heartbeat", func(n *corev1.Node) { n.Status.Conditions[0].LastHeartbeatTime = metav1.Now() }, false, false, false},
		{"images", func(n *corev1.Node) { n.Status.Images = []corev1.ContainerImage{{}} }, false, false, false},
		{"readiness", func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }, false, true, false},
		{"another label", func(n *corev1.Node) { n.Labels["zone"] = "a" }, false, true, false},
		{"taint", func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "k"}} }, false, true, false},
		{"cordon", func(n *corev1.Node) { n.Spec.Unschedulable = true }, false, true, false},
		{"condition's message", func(n *corev1.Node) { n.Status.Conditions[1].Message = "other" }, false, false, true},
		{"condition taken away", func(n *corev1.Node) { n.Status.Conditions = n.Status.Conditions[:1] }, false, false, true},
		{"edge label", func(n *corev1.Node) { delete(n.Labels, v1alpha1.LabelEdge) }, true, true, false},
		{"address", func(n *corev1.Node) { n.Status.Addresses[1].Address = "10.0.0.1" }, true, false, false},
		{"kubelet port", func(n *corev1.Node) { n.Status.DaemonEndpoints.KubeletEndpoint.Port = 10352 }, true, true, false},
		{"pod CIDR", func(n *corev1.Node) { n.Spec.PodCIDRs = []string{"10.1.0.0/24"} }, true, false, false},
		{"another node of the name", func(n *corev1.Node) { n.UID = "other" }, true, true, false},
	} {
		before := edgeNode("e1")
		after := before.DeepCopy()
		test.change(after)
		store, told := newStore(nil), 0
		store.Put("e1", Of(before))
		store.OnChange(func(b, a *Node) {
			told++
			if got := Routing(b, a); got != test.routing {
				t.Errorf("%s: routing %v, want %v", test.name, got, test.routing)
			}
			if got := Followed(b, a); got != test.followed {
				t.Errorf("%s: followed %v, want %v", test.name, got, test.followed)
			}
			if got := RoutedChanged(b, a); got != test.routedC {
				t.Errorf("%s: condition changed %v, want %v", test.name, got, test.routedC)
			}
		})
		if err := store.Update(after); err != nil {
			t.Fatal(err)
		}
		if want := test.routing || test.followed || test.routedC; (told == 1) != want {
			t.Errorf("%s: told %d times, want it told: %v", test.name, told, want)
		}
	}
}

func TestConditionIs(t *testing.T) {
	got := Of(edgeNode("e1")).Routed
	if !got.Is(corev1.ConditionTrue, "Routed", "redirected") || got.Is(corev1.ConditionTrue, "Routed", "else") || got.Is(corev1.ConditionFalse, "Routed", "redirected") {
		t.Errorf("%+v is compared wrongly", got)
	}
}

// TestReplace: a list is all that exists, whether its items were stripped on their way
// or not.
func TestReplace(t *testing.T) {
	store := newStore(nil)
	changes := map[string]string{}
	store.OnChange(func(before, after *Node) {
		changes[Name(before, after)] += map[bool]string{true: "-", false: "+"}[after == nil]
	})
	stripped, err := store.Transformer()(edgeNode("b"))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]any{{edgeNode("a"), stripped}, {edgeNode("a"), edgeNode("c")}} {
		if err := store.Replace(list, "1"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]string{"a": "+", "b": "+-", "c": "+"}, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if all, _ := store.All(t.Context()); len(all) != 2 || store.Get("b") != nil || store.Get("c") == nil {
		t.Errorf("the store holds %v, want a and c", all)
	}
	if err := store.WaitForSync(t.Context()); err != nil {
		t.Errorf("after a list: %v", err)
	}
}
