package watcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
)

// retryBehindCache is how soon a write is tried again that the cache was too old for.
const retryBehindCache = 25 * time.Millisecond

// noteRecordInvalid is the note for a record that routes cannot be made from.
const noteRecordInvalid routes.Reason = "TunnelPortRecordInvalid"

// routeReconciler turns Nodes, CloudCores and CloudCore's record into route objects.
type routeReconciler struct {
	gatherer gatherer
	guard    guardian
	writer   writer
	findings *findings
	metrics  *metrics
	notes    noteLog
	log      *slog.Logger
}

// Reconcile looks at the whole, whatever the event was: computing all routes anew
// takes less than a write, and leaves nothing that depends on the past.
func (r *routeReconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	started := time.Now()
	in, err := r.gatherer.gather(ctx)
	if errors.Is(err, routes.ErrBadRecord) {
		// The last good routes stay. Only CloudCore can mend its record, and doing so is an event.
		r.report([]routes.Note{{Reason: noteRecordInvalid, Message: err.Error()}})
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	plan := routes.Compute(in)
	guard, err := r.guard.guard(ctx, in)
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := r.writer.write(ctx, plan, guard); err != nil {
		if cacheIsBehind(err) {
			r.log.Debug("the cache is behind; trying again", "error", err)
			return reconcile.Result{RequeueAfter: retryBehindCache}, nil
		}
		return reconcile.Result{}, fmt.Errorf("write routes: %w", err)
	}
	// Only now do the conditions speak of routes that exist.
	r.findings.publish(plan.Findings)
	r.report(plan.Notes)
	r.metrics.observe(plan, time.Since(started))
	return reconcile.Result{}, nil
}

func (r *routeReconciler) report(notes []routes.Note) {
	r.notes.report(notes)
	r.metrics.observeNotes(notes)
}

// setupRoutes adds the route controller.
func setupRoutes(mgr ctrl.Manager, d *dependencies) error {
	settings, err := d.options.settings()
	if err != nil {
		return err
	}
	cidrs, err := d.options.ServicePrefixes()
	if err != nil {
		return err
	}
	r := &routeReconciler{
		gatherer: gatherer{reader: mgr.GetClient(), service: d.options.CloudCoreService, settings: settings, serviceCIDRs: cidrs},
		guard:    guardian{reader: mgr.GetClient(), pods: d.pods, options: d.options.Guard},
		writer:   writer{client: mgr.GetClient(), wrote: d.metrics.wrote},
		findings: d.findings,
		metrics:  d.metrics,
		notes:    noteLog{log: d.log},
		log:      d.log,
	}
	b := ctrl.NewControllerManagedBy(mgr).Named("routes").
		Watches(&corev1.Node{}, whole(), builder.WithPredicates(onChange(nodeDiffers))).
		Watches(&discoveryv1.EndpointSlice{}, whole(), builder.WithPredicates(onChange[client.Object](versionDiffers))).
		Watches(&corev1.Service{}, whole(), builder.WithPredicates(onChange[client.Object](versionDiffers))).
		Watches(&corev1.ConfigMap{}, whole(), builder.WithPredicates(onChange(recordDiffers))).
		Watches(&v1alpha1.EdgeEnrollment{}, whole(), builder.WithPredicates(onChange(enrollmentDiffers))).
		Watches(&v1alpha1.EdgeRouteSlice{}, whole(), builder.WithPredicates(onChange[client.Object](versionDiffers))).
		Watches(&v1alpha1.EdgeRouteTargets{}, whole(), builder.WithPredicates(onChange[client.Object](versionDiffers))).
		// One at a time: two would write the same objects.
		WithOptions(controller.Options{MaxConcurrentReconciles: 1})
	for _, source := range r.guard.sources() {
		b = b.WatchesRawSource(source)
	}
	return b.Complete(r)
}

// noteLog logs a note about the cluster when it appears, and when it is gone.
type noteLog struct {
	log  *slog.Logger
	seen map[routes.Note]bool
}

func (n *noteLog) report(notes []routes.Note) {
	now := make(map[routes.Note]bool, len(notes))
	for _, note := range notes {
		now[note] = true
		if !n.seen[note] {
			n.log.Warn(note.Message, "reason", note.Reason)
		}
	}
	for note := range n.seen {
		if !now[note] {
			n.log.Info("no longer: "+note.Message, "reason", note.Reason)
		}
	}
	n.seen = now
}
