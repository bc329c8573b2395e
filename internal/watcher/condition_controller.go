package watcher

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
)

// conditionReconciler keeps the condition EdgewayRouted of Nodes equal to the
// findings. It is apart from the routes, so that many Nodes to write never delay one
// route.
type conditionReconciler struct {
	client   client.Client
	findings *findings
	events   events.EventRecorder
	now      func() metav1.Time
}

// Reconcile writes the condition of one Node if it differs from the finding.
func (r *conditionReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	finding, found, known := r.findings.get(request.Name)
	if !known {
		return reconcile.Result{}, nil
	}
	var node corev1.Node
	if err := r.client.Get(ctx, request.NamespacedName, &node); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	current := routedCondition(&node)
	switch {
	case !found && current == nil:
		return reconcile.Result{}, nil
	case !found:
		return reconcile.Result{}, r.patch(ctx, &node, map[string]any{"type": v1alpha1.ConditionRouted, "$patch": "delete"})
	}
	wanted := r.condition(finding, current)
	if current != nil && sameCondition(*current, wanted) {
		return reconcile.Result{}, nil
	}
	if err := r.patch(ctx, &node, wanted); err != nil {
		return reconcile.Result{}, err
	}
	r.tell(&node, current, finding)
	return reconcile.Result{}, nil
}

func (r *conditionReconciler) condition(finding routes.Finding, current *corev1.NodeCondition) corev1.NodeCondition {
	now := r.now()
	condition := corev1.NodeCondition{
		Type:               v1alpha1.ConditionRouted,
		Status:             corev1.ConditionFalse,
		Reason:             string(finding.Reason),
		Message:            finding.Message,
		LastHeartbeatTime:  now,
		LastTransitionTime: now,
	}
	if finding.Works {
		condition.Status = corev1.ConditionTrue
	}
	if current != nil && current.Status == condition.Status {
		condition.LastTransitionTime = current.LastTransitionTime
	}
	return condition
}

// patch touches nothing but our condition: the node's kubelet owns the others.
func (r *conditionReconciler) patch(ctx context.Context, node *corev1.Node, condition any) error {
	body, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []any{condition}}})
	if err != nil {
		return fmt.Errorf("encode condition of node %s: %w", node.Name, err)
	}
	target := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node.Name}}
	err = r.client.Status().Patch(ctx, target, client.RawPatch(types.StrategicMergePatchType, body))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("patch condition of node %s: %w", node.Name, err)
	}
	return nil
}

// tell records an Event when a Node's reason changes, but none for a node that is
// simply all right from the start.
func (r *conditionReconciler) tell(node *corev1.Node, before *corev1.NodeCondition, finding routes.Finding) {
	reason := string(finding.Reason)
	if before != nil && before.Reason == reason {
		return
	}
	kind := corev1.EventTypeNormal
	if !finding.Works || finding.Reason == routes.ReasonAddressShared {
		kind = corev1.EventTypeWarning
	}
	if before == nil && kind == corev1.EventTypeNormal {
		return
	}
	r.events.Eventf(node, nil, kind, reason, "Route", "%s", finding.Message)
}

func routedCondition(node *corev1.Node) *corev1.NodeCondition {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == v1alpha1.ConditionRouted {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

func sameCondition(a, b corev1.NodeCondition) bool {
	return a.Status == b.Status && a.Reason == b.Reason && a.Message == b.Message
}

// conditionEvents are those after which our condition may be wrong though the
// finding did not change: somebody replaced the Node's status, or a Node that is no
// edge node any more still has it.
func conditionEvents() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool {
			node, ok := e.Object.(*corev1.Node)
			return ok && routedCondition(node) != nil
		},
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok1 := e.ObjectOld.(*corev1.Node)
			after, ok2 := e.ObjectNew.(*corev1.Node)
			if !ok1 || !ok2 {
				return false
			}
			a, b := routedCondition(before), routedCondition(after)
			return (a == nil) != (b == nil) || (a != nil && !sameCondition(*a, *b))
		},
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// setupConditions adds the condition controller.
func setupConditions(mgr ctrl.Manager, d *dependencies) error {
	r := &conditionReconciler{
		client:   mgr.GetClient(),
		findings: d.findings,
		events:   mgr.GetEventRecorder("edge-watcher"),
		now:      metav1.Now,
	}
	return ctrl.NewControllerManagedBy(mgr).Named("conditions").
		Watches(&corev1.Node{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(conditionEvents())).
		WatchesRawSource(source.Func(d.findings.start)).
		// Few at a time: this is never urgent, and the apiserver has other work.
		WithOptions(controller.Options{MaxConcurrentReconciles: 2}).
		Complete(r)
}
