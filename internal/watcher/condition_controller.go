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
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

// conditionReconciler keeps the condition EdgewayRouted of Nodes equal to the
// findings. It is apart from the routes, so that many Nodes to write never delay one
// route.
type conditionReconciler struct {
	client   client.Client
	nodes    *nodes.Store
	findings *findings
	events   events.EventRecorder
	now      func() metav1.Time
}

// Reconcile writes the condition of one Node if it differs from the finding.
func (r *conditionReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	finding, found, known := r.findings.get(request.Name)
	node := r.nodes.Get(request.Name)
	if !known || node == nil || !conditionDiffers(node.Routed, finding, found) {
		return reconcile.Result{}, nil
	}
	if !found {
		return reconcile.Result{}, r.patch(ctx, node.Name, map[string]any{"type": v1alpha1.ConditionRouted, "$patch": "delete"})
	}
	if err := r.patch(ctx, node.Name, r.condition(finding, node.Routed)); err != nil {
		return reconcile.Result{}, err
	}
	r.tell(node, finding)
	return reconcile.Result{}, nil
}

// conditionDiffers says whether a Node's condition is not what the finding asks for;
// without a finding there should be none.
func conditionDiffers(current nodes.Condition, finding routes.Finding, found bool) bool {
	if !found {
		return current.Present()
	}
	return !current.Is(conditionStatus(finding), string(finding.Reason), finding.Message)
}

func conditionStatus(finding routes.Finding) corev1.ConditionStatus {
	if finding.Works {
		return corev1.ConditionTrue
	}
	return corev1.ConditionFalse
}

func (r *conditionReconciler) condition(finding routes.Finding, current nodes.Condition) corev1.NodeCondition {
	now := r.now()
	condition := corev1.NodeCondition{
		Type:               v1alpha1.ConditionRouted,
		Status:             conditionStatus(finding),
		Reason:             string(finding.Reason),
		Message:            finding.Message,
		LastHeartbeatTime:  now,
		LastTransitionTime: now,
	}
	if current.Status == condition.Status {
		condition.LastTransitionTime = current.Since
	}
	return condition
}

// patch touches nothing but our condition: the node's kubelet owns the others.
func (r *conditionReconciler) patch(ctx context.Context, node string, condition any) error {
	body, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []any{condition}}})
	if err != nil {
		return fmt.Errorf("encode condition of node %s: %w", node, err)
	}
	target := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}
	err = r.client.Status().Patch(ctx, target, client.RawPatch(types.StrategicMergePatchType, body))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("patch condition of node %s: %w", node, err)
	}
	return nil
}

// tell records an Event when a Node's reason changes, but none for a node that is
// simply all right from the start.
func (r *conditionReconciler) tell(node *nodes.Node, finding routes.Finding) {
	reason := string(finding.Reason)
	if node.Routed.Reason == reason {
		return
	}
	kind := corev1.EventTypeNormal
	if !finding.Works || finding.Reason == routes.ReasonAddressShared {
		kind = corev1.EventTypeWarning
	}
	if !node.Routed.Present() && kind == corev1.EventTypeNormal {
		return
	}
	about := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node.Name, UID: types.UID(node.UID)}}
	r.events.Eventf(about, nil, kind, reason, "Route", "%s", finding.Message)
}

// conditionRequests are for changes after which our condition may be wrong though the
// finding did not change: somebody replaced the Node's status, or a Node that is no
// edge node any more still has it.
func conditionRequests(_ context.Context, before, after *nodes.Node) []reconcile.Request {
	if !nodes.RoutedChanged(before, after) {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: after.Name}}}
}

// setupConditions adds the condition controller.
func setupConditions(mgr ctrl.Manager, d *dependencies) error {
	r := &conditionReconciler{
		client:   mgr.GetClient(),
		nodes:    d.nodes,
		findings: d.findings,
		events:   mgr.GetEventRecorder("edge-watcher"),
		now:      metav1.Now,
	}
	return ctrl.NewControllerManagedBy(mgr).Named("conditions").
		WatchesRawSource(nodes.Source{Store: d.nodes, Requests: conditionRequests}).
		WatchesRawSource(source.Func(d.findings.start)).
		// Few at a time: this is never urgent, and the apiserver has other work.
		WithOptions(controller.Options{MaxConcurrentReconciles: 2}).
		Complete(r)
}
