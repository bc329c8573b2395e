package watcher

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

// clusterReconciler looks after what concerns the cluster rather than one edge node:
// the reports of cloud nodes that are gone, and the problems that are told in the
// status of EdgeRouteTargets.
type clusterReconciler struct {
	client   client.Client
	nodes    func(context.Context) ([]routes.Node, error)
	pods     *podSource
	board    *noteBoard
	patience patience
	events   events.EventRecorder
	// told are the unusable reports that an Event was recorded for, with the reason.
	told    map[types.UID]string
	notes   noteLog
	metrics *metrics
	log     *slog.Logger
}

// Reconcile looks at the whole, like that of the routes.
func (r *clusterReconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	reports, err := r.reports(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	reports, err = r.deleteStale(ctx, reports)
	if err != nil {
		return reconcile.Result{}, err
	}
	unusable := r.unusable(reports)
	ofRoutes, known := r.board.get()
	if !known {
		return reconcile.Result{}, nil // the first plan asks again
	}
	facts, err := r.facts(ctx, reports)
	if err != nil {
		return reconcile.Result{}, err
	}
	facts.Unusable = unusable
	var targets v1alpha1.EdgeRouteTargets
	if err := r.client.Get(ctx, client.ObjectKey{Name: v1alpha1.TargetsName}, &targets); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("get route targets: %w", err)
	}
	lasting, again := r.patience.lasting(routes.ClusterNotes(facts), targets.Status.Conditions)
	notes := routes.MergeNotes(slices.Concat(ofRoutes, lasting))
	r.notes.report(notes)
	r.metrics.observeNotes(notes)
	return reconcile.Result{RequeueAfter: again}, r.tell(ctx, &targets, notes)
}

// reports are the CloudNodeRoutes; they are only read.
func (r *clusterReconciler) reports(ctx context.Context) ([]v1alpha1.CloudNodeRoutes, error) {
	var list v1alpha1.CloudNodeRoutesList
	if err := r.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list reports of cloud nodes: %w", err)
	}
	return list.Items, nil
}

// deleteStale removes the reports of Nodes that are gone or have become edge nodes: nobody
// would keep them up to date. No enrollment removes the report of a cloud node, whatever
// name it asks for. It returns the others.
func (r *clusterReconciler) deleteStale(ctx context.Context, reports []v1alpha1.CloudNodeRoutes) ([]v1alpha1.CloudNodeRoutes, error) {
	all, err := r.nodes(ctx)
	if err != nil {
		return nil, err
	}
	cloud := map[string]bool{}
	for i := range all {
		cloud[all[i].Name] = !all[i].Edge
	}
	kept := make([]v1alpha1.CloudNodeRoutes, 0, len(reports))
	for i := range reports {
		report := &reports[i]
		if cloud[report.Name] {
			kept = append(kept, *report)
			continue
		}
		gone := &v1alpha1.CloudNodeRoutes{ObjectMeta: metav1.ObjectMeta{Name: report.Name}}
		if err := r.client.Delete(ctx, gone, client.Preconditions{UID: &report.UID}); client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			return nil, fmt.Errorf("delete the report of %s, which is no cloud node: %w", report.Name, err)
		}
		r.metrics.wrote("delete")
		r.log.Info("deleted the report of what is no cloud node", "node", report.Name)
	}
	return kept, nil
}

// unusable are the reports that cannot be read or used, by node, with the reason. An Event on
// the report tells of each at once.
func (r *clusterReconciler) unusable(reports []v1alpha1.CloudNodeRoutes) map[string]string {
	out, told := map[string]string{}, map[types.UID]string{}
	for i := range reports {
		report := &reports[i]
		why := faultOfReport(report)
		if why == "" {
			continue
		}
		out[report.Name], told[report.UID] = why, why
		if r.told[report.UID] != why {
			about := &v1alpha1.CloudNodeRoutes{ObjectMeta: metav1.ObjectMeta{Name: report.Name, UID: report.UID}}
			r.events.Eventf(about, nil, corev1.EventTypeWarning, v1alpha1.ConditionReportUnusable, "Read", "%s", routes.UnusableReport(report.Name, why))
		}
	}
	r.told = told
	return out
}

// faultOfReport names the field and the value that make a report unusable; empty when none
// does.
func faultOfReport(report *v1alpha1.CloudNodeRoutes) string {
	if report.Undecodable != "" {
		return report.Undecodable
	}
	for i, text := range report.Status.Addresses {
		if _, err := netip.ParseAddr(text); err != nil {
			return fmt.Sprintf("status.addresses[%d] %.80q is no IP address", i, text)
		}
	}
	return ""
}

func (r *clusterReconciler) facts(ctx context.Context, reports []v1alpha1.CloudNodeRoutes) (routes.ClusterFacts, error) {
	f := routes.ClusterFacts{Reported: map[string][]netip.Addr{}}
	for i := range reports {
		f.Reported[reports[i].Name] = parseAddrs(reports[i].Status.Addresses)
	}
	var err error
	if f.Running, err = r.pods.operators(ctx); err != nil {
		return f, err
	}
	var slice discoveryv1.EndpointSlice
	err = r.client.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: apiServerSlice}, &slice)
	if client.IgnoreNotFound(err) != nil {
		return f, fmt.Errorf("get kube-apiserver's endpoints: %w", err)
	}
	for _, endpoint := range slice.Endpoints {
		f.APIServers = append(f.APIServers, parseAddrs(endpoint.Addresses)...)
	}
	var cilium corev1.ConfigMap
	err = r.client.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: ciliumConfig}, &cilium)
	if client.IgnoreNotFound(err) != nil {
		return f, fmt.Errorf("get Cilium's configuration: %w", err)
	}
	if err == nil {
		f.Cilium = cilium.Data
	}
	return f, nil
}

// tell writes the notes as conditions, if they differ. Without targets there is
// nothing to write to yet; their creation asks again.
func (r *clusterReconciler) tell(ctx context.Context, targets *v1alpha1.EdgeRouteTargets, notes []routes.Note) error {
	if targets.UID == "" {
		return nil
	}
	wanted := noteConditions(notes, targets.Status.Conditions, metav1.NewTime(r.patience.now()).Rfc3339Copy())
	if apiequality.Semantic.DeepEqual(targets.Status.Conditions, wanted) {
		return nil
	}
	before := targets.DeepCopy()
	targets.Status.Conditions = wanted
	if err := r.client.Status().Patch(ctx, targets, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("write conditions of route targets: %w", client.IgnoreNotFound(err))
	}
	r.metrics.wrote("patch")
	return nil
}

// setupCluster adds the cluster controller.
func setupCluster(mgr ctrl.Manager, d *dependencies) error {
	r := &clusterReconciler{
		client: mgr.GetClient(), nodes: d.nodes.All, pods: d.pods, board: d.notes,
		patience: patience{now: time.Now}, notes: noteLog{log: d.log}, metrics: d.metrics, log: d.log,
		events: mgr.GetEventRecorder("edge-watcher"),
	}
	unseen := func() {}                                // no lag is measured from these events
	gather := func() time.Duration { return debounce } // nobody waits for conditions
	all := whole(gather, unseen)
	named := func(namespace, name string) predicate.Predicate {
		return predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetNamespace() == namespace && o.GetName() == name })
	}
	changed := onChange[client.Object](versionDiffers)
	return ctrl.NewControllerManagedBy(mgr).Named("cluster").
		WatchesRawSource(nodeChanges(d.nodes, nodes.CloudNode, gather, unseen)).
		Watches(&v1alpha1.CloudNodeRoutes{}, all, builder.WithPredicates(onChange(reportDiffers))).
		Watches(&v1alpha1.EdgeRouteTargets{}, all, builder.WithPredicates(onChange(conditionsDiffer))).
		Watches(&discoveryv1.EndpointSlice{}, all, builder.WithPredicates(changed, named(metav1.NamespaceDefault, apiServerSlice))).
		Watches(&corev1.ConfigMap{}, all, builder.WithPredicates(changed, named(metav1.NamespaceSystem, ciliumConfig))).
		WatchesRawSource(d.pods.source(all)).
		WatchesRawSource(source.Func(d.notes.start)).
		WithOptions(controller.Options{MaxConcurrentReconciles: 1}).
		Complete(r)
}

// reportDiffers drops counters and errors of a report.
func reportDiffers(old, new *v1alpha1.CloudNodeRoutes) bool {
	return old.UID != new.UID || old.Undecodable != new.Undecodable || !slices.Equal(old.Status.Addresses, new.Status.Addresses)
}

func conditionsDiffer(old, new *v1alpha1.EdgeRouteTargets) bool {
	return old.UID != new.UID || !apiequality.Semantic.DeepEqual(old.Status.Conditions, new.Status.Conditions)
}
