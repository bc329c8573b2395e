package enrollment

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// expected returns the Node that waits for a device; nil when there is none.
func (s *site) expected(name string) *corev1.Node {
	s.t.Helper()
	var n corev1.Node
	err := s.c.Get(s.t.Context(), client.ObjectKey{Name: name}, &n)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return &n
}

// TestNodeExistsBeforeTheDevice: with the certificate the Node is there, complete, and
// the enrollment does not count it as registered.
func TestNodeExistsBeforeTheDevice(t *testing.T) {
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", func(e *v1alpha1.EdgeEnrollment) { e.Spec.Labels["site"] = "a" })
	s.run("e")
	if s.expected("edge-1") != nil {
		t.Fatal("the Node is there before the code is used")
	}
	s.redeem("e")
	wantPhase(t, s.run("e"), v1alpha1.PhaseCertificateIssued)
	n := s.expected("edge-1")
	if n == nil {
		t.Fatal("there is no Node")
	}
	if v, edge := n.Labels[v1alpha1.LabelEdge]; !edge || v != "" || n.Labels["site"] != "a" || n.Labels[corev1.LabelArchStable] != "amd64" {
		t.Errorf("labels %v", n.Labels)
	}
	if len(n.Spec.Taints) != 1 || n.Spec.Taints[0].Key != v1alpha1.TaintEdge {
		t.Errorf("taints %v", n.Spec.Taints)
	}
	if got := v1alpha1.ExpectedBy(n); got != "e" {
		t.Errorf("the Node waits for enrollment %q, want e", got)
	}

	// What EdgeCore, keadm and CloudCore write stays; the mark goes.
	s.register("edge-1", "192.168.100.1", func(n *corev1.Node) {
		n.Labels[v1alpha1.LabelAgent] = ""
		n.Annotations["edge.kubeedge.io/mapping"] = "10.0.0.5"
	})
	e := s.run("e")
	wantPhase(t, e, v1alpha1.PhaseRegistered)
	n = s.expected("edge-1")
	if _, marked := n.Annotations[v1alpha1.AnnotationExpected]; marked {
		t.Error("the Node is still marked as expected")
	}
	if _, agent := n.Labels[v1alpha1.LabelAgent]; !agent || n.Annotations["edge.kubeedge.io/mapping"] != "10.0.0.5" {
		t.Errorf("something of KubeEdge's is gone: labels %v, annotations %v", n.Labels, n.Annotations)
	}
	if meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionNodeExpected) != nil {
		t.Error("condition NodeExpected outlives the arrival")
	}
}

// TestNodeOfADeviceThatDoesNotCome goes with the enrollment, however that ends.
func TestNodeOfADeviceThatDoesNotCome(t *testing.T) {
	for name, end := range map[string]func(*site){
		"expires": func(s *site) { s.now = s.now.Add(2 * time.Hour); s.run("e") },
		"revoked": func(s *site) {
			e := s.run("e")
			e.Spec.State = v1alpha1.StateRevoked
			if err := s.c.Update(s.t.Context(), e); err != nil {
				s.t.Fatal(err)
			}
			s.run("e")
		},
		"deleted": func(s *site) {
			e := s.run("e")
			if err := s.c.Delete(s.t.Context(), e); err != nil {
				s.t.Fatal(err)
			}
			if _, err := s.r.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(e)}); err != nil {
				s.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.enrollment("e", "edge-1", "192.168.100.1", func(e *v1alpha1.EdgeEnrollment) {
				e.Spec.TokenFor = &v1alpha1.TokenRecipient{PublicKey: recipient(t).PublicKey()}
			})
			s.run("e")
			if s.expected("edge-1") == nil {
				t.Fatal("there is no Node although a token was handed out")
			}
			end(s)
			if s.expected("edge-1") != nil {
				t.Error("the Node is still there")
			}
		})
	}
}

// TestArrivedNodeStays: revoking a code changes nothing for a node that has joined.
func TestArrivedNodeStays(t *testing.T) {
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", nil)
	s.run("e")
	s.redeem("e")
	s.run("e")
	s.register("edge-1", "192.168.100.1", nil)
	e := s.run("e")
	e.Spec.State = v1alpha1.StateRevoked
	if err := s.c.Update(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	s.run("e")
	if s.expected("edge-1") == nil {
		t.Error("revoking the code deleted the Node of a joined device")
	}
}

// TestNodeTakenAway: the join goes on, and the status says who deleted the Node.
func TestNodeTakenAway(t *testing.T) {
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", nil)
	s.run("e")
	s.redeem("e")
	s.run("e")
	if err := s.c.Delete(t.Context(), s.expected("edge-1")); err != nil {
		t.Fatal(err)
	}
	if err := s.c.Create(t.Context(), &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "default", Name: "edge-1.1"},
		InvolvedObject: corev1.ObjectReference{Kind: "Node", Name: "edge-1"},
		Source:         corev1.EventSource{Component: "cloud-node-lifecycle-controller"},
		Reason:         deletingNode, Message: "Deleting node edge-1 because it does not exist in the cloud provider",
	}); err != nil {
		t.Fatal(err)
	}
	e := s.run("e")
	c := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionNodeExpected)
	if c == nil || c.Reason != v1alpha1.ReasonNodeTakenAway || !strings.Contains(c.Message, "cloud-node-lifecycle-controller") {
		t.Errorf("condition NodeExpected is %+v", c)
	}
	if s.expected("edge-1") != nil {
		t.Error("the Node was created again")
	}
	s.register("edge-1", "192.168.100.1", nil)
	wantPhase(t, s.run("e"), v1alpha1.PhaseRegistered)
}

// TestNodeCannotBeCreated: the certificate is signed all the same.
func TestNodeCannotBeCreated(t *testing.T) {
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", nil)
	s.run("e")
	s.redeem("e")
	allow := s.r.client
	s.r.client = interceptor.NewClient(s.c.(client.WithWatch), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if _, node := o.(*corev1.Node); node {
				return errors.New("nodes is forbidden")
			}
			return c.Create(ctx, o, opts...)
		},
	})
	e := s.run("e")
	wantPhase(t, e, v1alpha1.PhaseCertificateIssued)
	if got := reason(e, v1alpha1.ConditionNodeExpected); got != "False CreateFailed" {
		t.Errorf("NodeExpected is %q", got)
	}
	s.r.client = allow
}

// TestNodeLabelledEdgeIsMended: earlier versions gave the label the value "edge", and
// CloudCore sends no pod to such a node.
func TestNodeLabelledEdgeIsMended(t *testing.T) {
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", nil)
	e := s.run("e")
	e.Spec.Labels[v1alpha1.LabelEdge] = "edge" // reserved by an earlier version
	if err := s.c.Update(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	s.register("edge-1", "192.168.100.1", func(n *corev1.Node) { n.Labels[v1alpha1.LabelEdge] = "edge" })
	e = s.run("e")
	if v, edge := s.expected("edge-1").Labels[v1alpha1.LabelEdge]; !edge || v != "" {
		t.Errorf("the edge label is %q, %v", v, edge)
	}
	if got := reason(e, v1alpha1.ConditionNodeConfigured); got != "True Applied" {
		t.Errorf("NodeConfigured is %q", got)
	}
	s.enrollment("other", "edge-2", "192.168.100.2", func(e *v1alpha1.EdgeEnrollment) { e.Spec.Labels[v1alpha1.LabelEdge] = "edge" })
	if got := reason(s.run("other"), v1alpha1.ConditionReserved); got != "False InvalidSpec" {
		t.Errorf("a new enrollment with the value is %q", got)
	}
}

// TestKeadmWantsNoNode: keadm refuses a name that has a Node, also when a bundle was
// made first.
func TestKeadmWantsNoNode(t *testing.T) {
	s := newSite(t)
	s.enrollment("e", "edge-1", "192.168.100.1", tokenFor(recipient(t)))
	e := s.run("e")
	if s.expected("edge-1") == nil {
		t.Fatal("there is no Node for a bundle's device")
	}
	e.Spec.TokenFor = &v1alpha1.TokenRecipient{PublicKey: recipient(t).PublicKey(), NewNodeOnly: true}
	if err := s.c.Update(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e = s.run("e")
	if e.Status.Token == nil {
		t.Error("there is no token for keadm")
	}
	if s.expected("edge-1") != nil {
		t.Error("the Node is there, so keadm refuses the name")
	}
	s.register("edge-1", "192.168.100.1", nil)
	wantPhase(t, s.run("e"), v1alpha1.PhaseRegistered)
}
