package enrollment

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

// DefaultProbeImage prints its arguments and waits; see cmd/edgeway-probe.
const DefaultProbeImage = "edgeway/probe:latest"

const (
	// IndexNodeName is the field index that finds the enrollments of a Node.
	IndexNodeName = "enrollment.edgeway.io/nodeName"
	// Reading a log through a dead tunnel takes its whole timeout: several at once.
	workers = 8
)

// Options of the controller.
type Options struct {
	// ServiceCIDRs of the cluster; no edge node may have an address in them.
	ServiceCIDRs func() []netip.Prefix
	// ProbeImage of the pod whose log line is read to verify a join.
	ProbeImage string
	// Nodes lists all Nodes of the cluster; nil reads them from the API.
	Nodes func(context.Context) ([]routes.Node, error)
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// AddFlags adds the options that are this controller's own.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.ProbeImage, "probe-image", DefaultProbeImage, "image of the pod that verifies a joined edge node; it must print its arguments")
}

// SetupWithManager adds the controller to mgr. store, which is started by others, knows
// the Nodes.
func SetupWithManager(mgr ctrl.Manager, store *nodes.Store, figures Figures, o Options) error {
	if o.ProbeImage == "" {
		return errors.New("--probe-image is empty: give an image that prints its arguments, like " + DefaultProbeImage)
	}
	clientset, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("making the client that reads logs: %w", err)
	}
	o.Nodes = store.All
	r := NewReconciler(mgr.GetClient(), mgr.GetAPIReader(), clientset.CoreV1().RESTClient(), figures, o)
	err = mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.EdgeEnrollment{}, IndexNodeName, NodeNameOf)
	if err != nil {
		return fmt.Errorf("indexing enrollments by node name: %w", err)
	}
	err = mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.EdgeEnrollment{}, IndexReserved, ReservedBy)
	if err != nil {
		return fmt.Errorf("index enrollments by what they hold: %w", err)
	}
	probes, err := probeSource(mgr)
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("enrollment").
		For(&v1alpha1.EdgeEnrollment{}).
		WatchesRawSource(nodes.Source{Store: store, Requests: r.enrollmentsOf}).
		WatchesRawSource(probes).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
}

// probeSource wakes an enrollment when its probe pod changes, from a cache of its own:
// the manager's must not be limited to these pods. What is decided, is decided on the
// pods as the API server has them.
func probeSource(mgr ctrl.Manager) (source.Source, error) {
	pods, err := cache.New(mgr.GetConfig(), cache.Options{
		Scheme: mgr.GetScheme(),
		Mapper: mgr.GetRESTMapper(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}: {Namespaces: map[string]cache.Config{v1alpha1.JoinNamespace: {}}, Transform: cache.TransformStripManagedFields()},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("making the cache of probe pods: %w", err)
	}
	if err := mgr.Add(pods); err != nil {
		return nil, fmt.Errorf("adding the cache of probe pods: %w", err)
	}
	owner := handler.EnqueueRequestForOwner(mgr.GetScheme(), mgr.GetRESTMapper(), &v1alpha1.EdgeEnrollment{})
	return source.Kind(pods, client.Object(&corev1.Pod{}), owner), nil
}

// NodeNameOf is the value of IndexNodeName.
func NodeNameOf(o client.Object) []string {
	e, ok := o.(*v1alpha1.EdgeEnrollment)
	if !ok {
		return nil
	}
	return []string{e.Spec.NodeName}
}

// enrollmentsOf returns live ones and tombstones alike. Heartbeats are the bulk of a
// cluster's node events and cost nothing.
func (r *Reconciler) enrollmentsOf(ctx context.Context, before, after *nodes.Node) []reconcile.Request {
	if !nodes.Followed(before, after) {
		return nil
	}
	var list v1alpha1.EdgeEnrollmentList
	name := nodes.Name(before, after)
	if err := r.client.List(ctx, &list, client.InNamespace(v1alpha1.JoinNamespace), client.MatchingFields{IndexNodeName: name}); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing the enrollments of a node", "node", name)
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items)+1)
	// The enrollment may be gone for which the Node was created.
	if after != nil && after.ExpectedBy != "" {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: v1alpha1.JoinNamespace, Name: after.ExpectedBy}})
	}
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
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
