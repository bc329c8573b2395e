package enrollment

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// DefaultProbeImage prints its arguments and waits; see cmd/edgeway-probe.
const DefaultProbeImage = "edgeway/probe:latest"

const (
	// IndexNodeName is the field index that finds the enrolments of a Node.
	IndexNodeName = "enrollment.edgeway.io/nodeName"
	// Reading a log through a dead tunnel takes its whole timeout: several at once.
	workers = 8
)

// Options of the controller.
type Options struct {
	// ServiceCIDRs of the cluster; no edge node may have an address in them.
	ServiceCIDRs []netip.Prefix
	// ProbeImage of the pod whose log line is read to verify a join.
	ProbeImage string
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// AddFlags adds the options that are this controller's own.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.ProbeImage, "probe-image", DefaultProbeImage, "image of the pod that verifies a joined edge node; it must print its arguments")
}

// SetupWithManager adds the controller to mgr.
func SetupWithManager(mgr ctrl.Manager, o Options) error {
	if o.ProbeImage == "" {
		return errors.New("--probe-image is empty: give an image that prints its arguments, like " + DefaultProbeImage)
	}
	clientset, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("making the client that reads logs: %w", err)
	}
	r := NewReconciler(mgr.GetClient(), mgr.GetAPIReader(), clientset.CoreV1().RESTClient(), o)
	err = mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.EdgeEnrollment{}, IndexNodeName, NodeNameOf)
	if err != nil {
		return fmt.Errorf("indexing enrolments by node name: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("enrollment").
		For(&v1alpha1.EdgeEnrollment{}).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.enrolmentsOf), builder.WithPredicates(nodeMatters())).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
}

// NodeNameOf is the value of IndexNodeName.
func NodeNameOf(o client.Object) []string {
	e, ok := o.(*v1alpha1.EdgeEnrollment)
	if !ok {
		return nil
	}
	return []string{e.Spec.NodeName}
}

// enrolmentsOf returns live ones and tombstones alike.
func (r *Reconciler) enrolmentsOf(ctx context.Context, node client.Object) []reconcile.Request {
	var list v1alpha1.EdgeEnrollmentList
	if err := r.client.List(ctx, &list, client.InNamespace(v1alpha1.JoinNamespace), client.MatchingFields{IndexNodeName: node.GetName()}); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing the enrolments of a node", "node", node.GetName())
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// nodeMatters lets through what an enrolment's state depends on. Heartbeats are
// the bulk of a cluster's node events and must cost nothing.
func nodeMatters() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok1 := e.ObjectOld.(*corev1.Node)
			after, ok2 := e.ObjectNew.(*corev1.Node)
			return ok1 && ok2 && (nodeReady(before) != nodeReady(after) || kubeletPort(before) != kubeletPort(after) ||
				before.Spec.Unschedulable != after.Spec.Unschedulable || before.UID != after.UID ||
				!equality.Semantic.DeepEqual(before.Labels, after.Labels) ||
				!equality.Semantic.DeepEqual(before.Spec.Taints, after.Spec.Taints))
		},
	}
}

func nodeReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func kubeletPort(n *corev1.Node) int32 { return n.Status.DaemonEndpoints.KubeletEndpoint.Port }
