package watcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

// retryBehindCache is how soon a write is tried again that the cache was too old for.
const retryBehindCache = 25 * time.Millisecond

// noteRecordInvalid is the note for a record that routes cannot be made from.
const noteRecordInvalid routes.Reason = "TunnelPortRecordInvalid"

// noteWritesFailing is the note for routes that the API server does not take.
const noteWritesFailing routes.Reason = "RouteWritesFailing"

// routeReconciler turns Nodes, CloudCores and CloudCore's record into route objects.
type routeReconciler struct {
	gatherer gatherer
	// guard says that the operators guard CloudCore.
	guard    bool
	writer   writer
	findings *findings
	metrics  *metrics
	notes    *noteBoard
	health   *health
	causes   *causes
	echo     *echo
	pacer    pacer
	log      *slog.Logger
}

// Reconcile looks at the whole, whatever the event was: computing all routes anew
// takes less than a write, and leaves nothing that depends on the past. A request that
// names a slice is for a look only if somebody else changed it.
func (r *routeReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if request != everything {
		if !r.echo.foreign(request.Name) {
			return reconcile.Result{}, nil
		}
		r.causes.see()
	}
	r.pacer.began()
	r.echo.began()
	cause := r.causes.take()
	result, err := r.reconcile(ctx, cause)
	again := err != nil || result.RequeueAfter > 0
	r.echo.ended(again)
	if again {
		r.causes.seenAt(cause) // it is not worked off yet
	}
	return result, err
}

func (r *routeReconciler) reconcile(ctx context.Context, cause time.Time) (reconcile.Result, error) {
	started := time.Now()
	in, err := r.gatherer.gather(ctx)
	if errors.Is(err, routes.ErrBadRecord) {
		// The last good routes stay. Only CloudCore can mend its record, and doing so is an event.
		r.notes.publish([]routes.Note{{Reason: noteRecordInvalid, Message: err.Error()}})
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	plan := routes.Compute(in)
	if err := r.writer.write(ctx, plan, guardOf(r.guard, in.CloudCores), cause); err != nil {
		if cacheIsBehind(err) {
			r.log.Debug("the cache is behind; trying again", "error", err)
			return reconcile.Result{RequeueAfter: retryBehindCache}, nil
		}
		r.health.wrote(err)
		r.notes.publish(append(slices.Clip(plan.Notes), routes.Note{Reason: noteWritesFailing, Message: "Routes cannot be written: " + err.Error()}))
		return reconcile.Result{}, fmt.Errorf("write routes: %w", err)
	}
	r.health.wrote(nil)
	// Only now do the conditions speak of routes that exist.
	r.findings.publish(plan.Findings)
	r.notes.publish(plan.Notes)
	r.metrics.observe(plan, time.Since(started))
	return reconcile.Result{}, nil
}

// nodeChanges asks for everything after changes of Nodes that matter.
func nodeChanges(store *nodes.Store, matters func(before, after *nodes.Node) bool, after func() time.Duration, seen func()) nodes.Source {
	all := []reconcile.Request{everything}
	return nodes.Source{Store: store, After: after, First: all, Requests: func(_ context.Context, before, after *nodes.Node) []reconcile.Request {
		if !matters(before, after) {
			return nil
		}
		seen()
		return all
	}}
}

// setupRoutes adds the route controller.
func setupRoutes(mgr ctrl.Manager, d *dependencies) error {
	settings, err := d.options.settings()
	if err != nil {
		return err
	}
	own := newEcho()
	r := &routeReconciler{
		gatherer: gatherer{reader: mgr.GetClient(), nodes: d.nodes.All, service: d.options.CloudCoreService, settings: settings, networks: d.options.Networks},
		guard:    d.options.StreamGuard,
		writer:   writer{client: mgr.GetClient(), live: mgr.GetAPIReader(), wrote: d.metrics.wrote, echo: own},
		findings: d.findings,
		metrics:  d.metrics,
		notes:    d.notes,
		health:   d.health,
		causes:   &causes{now: time.Now},
		echo:     own,
		log:      d.log,
	}
	all := whole(r.pacer.wait, r.causes.see)
	return ctrl.NewControllerManagedBy(mgr).Named("routes").
		WatchesRawSource(nodeChanges(d.nodes, nodes.Routing, r.pacer.wait, r.causes.see)).
		Watches(&discoveryv1.EndpointSlice{}, all, builder.WithPredicates(onChange[client.Object](versionDiffers), inKubeEdge())).
		Watches(&corev1.ConfigMap{}, all, builder.WithPredicates(onChange(recordDiffers), inKubeEdge())).
		Watches(&v1alpha1.EdgeEnrollment{}, all, builder.WithPredicates(enrollmentCounts())).
		WatchesRawSource(source.Func(d.options.Networks.connect)).
		Watches(&v1alpha1.CloudNodeRoutes{}, all, builder.WithPredicates(onChange(reportDiffers))).
		Watches(&v1alpha1.EdgeRouteSlice{}, own.slices(r.pacer.wait, r.causes.see), builder.WithPredicates(onChange[client.Object](versionDiffers))).
		Watches(&v1alpha1.EdgeRouteTargets{}, all, builder.WithPredicates(onChange(targetsDiffer))).
		// One at a time: two would write the same objects.
		WithOptions(controller.Options{MaxConcurrentReconciles: 1}).
		Complete(r)
}
