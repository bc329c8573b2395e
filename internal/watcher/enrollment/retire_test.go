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
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// twoBudgets is what kube-apiserver answers for a pod under two PodDisruptionBudgets.
var twoBudgets = apierrors.NewInternalError(errors.New("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."))

// through makes the reconciler's writes and reads go through funcs.
func (s *site) through(funcs interceptor.Funcs) {
	broken := interceptor.NewClient(s.c.(client.WithWatch), funcs)
	s.r.client, s.r.live = broken, broken
}

// refusing answers the eviction of the named pods with an error.
func refusing(refusals map[string]error) interceptor.Funcs {
	return interceptor.Funcs{SubResourceCreate: func(ctx context.Context, c client.Client, sub string, o, body client.Object, opts ...client.SubResourceCreateOption) error {
		if err := refusals[o.GetName()]; err != nil && sub == "eviction" {
			return err
		}
		return c.SubResource(sub).Create(ctx, o, body, opts...)
	}}
}

// pod puts another pod onto the node.
func (s *site) pod(name string) {
	s.t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: corev1.PodSpec{NodeName: "edge-1"}}
	if err := s.c.Create(s.t.Context(), p); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) retiredCondition(e *v1alpha1.EdgeEnrollment) metav1.Condition {
	s.t.Helper()
	c := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionRetired)
	if c == nil {
		s.t.Fatal("there is no condition Retired")
	}
	return *c
}

// A pod that the API server will not evict, for a reason nobody foresaw, keeps neither
// the other pods nor the deadline, and the reason is in the condition.
func TestRetireGoesOnAfterAnUnexpectedRefusal(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "app", errors.New("admission webhook \"guard\" denied the request"))
	for name, refusal := range map[string]error{
		"two budgets": twoBudgets,
		"a webhook":   forbidden,
		"no answer":   context.DeadlineExceeded,
		"throttled":   apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0),
	} {
		t.Run(name, func(t *testing.T) {
			s := joined(t)
			s.pod("zebra")
			s.through(refusing(map[string]error{"app": refusal}))
			e := s.want("e", retire)
			c := s.retiredCondition(e)
			if c.Reason != v1alpha1.ReasonDraining || !strings.Contains(c.Message, "default/app: ") || strings.Contains(c.Message, "zebra") {
				t.Errorf("condition is %s: %s", c.Reason, c.Message)
			}
			var zebra corev1.Pod
			if err := s.c.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "zebra"}, &zebra); !apierrors.IsNotFound(err) {
				t.Errorf("the pod after the refused one is still there: %v", err)
			}
			s.now = s.now.Add(defaultDrainTimeout + time.Second)
			c = s.retiredCondition(s.run("e"))
			if c.Reason != v1alpha1.ReasonDrainBlocked || s.nodeGone() {
				t.Fatalf("after the deadline the condition is %s: %s, node gone %v", c.Reason, c.Message, s.nodeGone())
			}
			wantPhase(t, s.want("e", func(spec *v1alpha1.EdgeEnrollmentSpec) { spec.Force = true }), v1alpha1.PhaseRetired)
			if !s.nodeGone() {
				t.Error("force did not delete the Node")
			}
		})
	}
}

func TestTheConditionSaysWhyAPodStays(t *testing.T) {
	s := joined(t)
	s.through(refusing(map[string]error{"app": twoBudgets}))
	c := s.retiredCondition(s.want("e", retire))
	if !strings.Contains(c.Message, "more than one PodDisruptionBudget") {
		t.Errorf("message is %q", c.Message)
	}
}

// Neither a list that fails nor a cordon that is refused keeps force from working.
func TestForceHoldsWhenOtherStepsFail(t *testing.T) {
	for name, funcs := range map[string]interceptor.Funcs{
		"pods cannot be listed": {List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, pods := list.(*corev1.PodList); pods {
				return apierrors.NewInternalError(errors.New("etcdserver: request timed out"))
			}
			return c.List(ctx, list, opts...)
		}},
		"the cordon is refused": {Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if _, node := o.(*corev1.Node); node {
				return apierrors.NewInternalError(errors.New("admission webhook denied the request"))
			}
			return c.Patch(ctx, o, p, opts...)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := joined(t)
			s.stuck()
			s.through(funcs)
			c := s.retiredCondition(s.want("e", retire))
			if c.Reason != v1alpha1.ReasonDraining || !strings.Contains(c.Message, "Internal error occurred") {
				t.Errorf("condition is %s: %s", c.Reason, c.Message)
			}
			s.now = s.now.Add(defaultDrainTimeout + time.Second)
			s.run("e")
			s.want("e", func(spec *v1alpha1.EdgeEnrollmentSpec) { spec.Force = true })
			if !s.nodeGone() {
				t.Error("force did not delete the Node")
			}
		})
	}
}

func TestANodeThatCannotBeDeletedIsTold(t *testing.T) {
	s := joined(t)
	refused := true
	s.through(interceptor.Funcs{Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
		if _, node := o.(*corev1.Node); node && refused {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, o.GetName(), errors.New("admission webhook denied the request"))
		}
		return c.Delete(ctx, o, opts...)
	}})
	c := s.retiredCondition(s.want("e", retire))
	if c.Reason != v1alpha1.ReasonRetireFailed || !strings.Contains(c.Message, "webhook denied") {
		t.Errorf("condition is %s: %s", c.Reason, c.Message)
	}
	refused = false
	wantPhase(t, s.want("e", func(*v1alpha1.EdgeEnrollmentSpec) {}), v1alpha1.PhaseRetired)
}
