package enrollment

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/routes"
)

// Reconciler moves one enrolment at a time to where its spec and its Node say.
type Reconciler struct {
	client client.Client
	// live reads past the cache: what is decided once must not be decided on old
	// news, and Secrets and pods are not worth a cache.
	live   client.Reader
	tunnel *tunnelReader
	o      Options
	// reserving makes one reservation at a time; with leader election that makes
	// them one after another in the whole cluster.
	reserving reservations
}

// NewReconciler makes a Reconciler. c may read Nodes and enrolments from a cache
// with IndexNodeName, live reads from the apiserver, core is the REST client of
// the core API group, by which logs and summaries are read.
func NewReconciler(c client.Client, live client.Reader, core rest.Interface, o Options) *Reconciler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Nodes == nil {
		o.Nodes = func(ctx context.Context) ([]routes.Node, error) { return listNodes(ctx, live) }
	}
	return &Reconciler{client: c, live: live, tunnel: &tunnelReader{rest: core}, o: o}
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var e v1alpha1.EdgeEnrollment
	if err := r.client.Get(ctx, req.NamespacedName, &e); err != nil {
		if apierrors.IsNotFound(err) {
			err = r.unexpectAll(ctx, req.Name)
		}
		return ctrl.Result{}, err
	}
	if !e.DeletionTimestamp.IsZero() || e.Namespace != v1alpha1.JoinNamespace {
		return ctrl.Result{}, nil
	}
	before := e.Status.DeepCopy()
	result, err := r.step(ctx, &e)
	if equality.Semantic.DeepEqual(before, &e.Status) {
		return result, err
	}
	// Update, not patch: a status that somebody else changed meanwhile (the code
	// was redeemed) must be looked at again, not overwritten.
	if uerr := r.client.Status().Update(ctx, &e); uerr != nil {
		if apierrors.IsConflict(uerr) || apierrors.IsNotFound(uerr) {
			return ctrl.Result{RequeueAfter: 100 * time.Millisecond}, nil
		}
		return ctrl.Result{}, fmt.Errorf("writing the status of enrolment %s: %w", e.Name, uerr)
	}
	if before.Phase != e.Status.Phase {
		ctrl.LoggerFrom(ctx).Info("enrolment moved on", "node", e.Spec.NodeName, "from", before.Phase, "to", e.Status.Phase)
	}
	return result, err
}

// step changes e's status; Reconcile writes it.
func (r *Reconciler) step(ctx context.Context, e *v1alpha1.EdgeEnrollment) (ctrl.Result, error) {
	switch e.Status.Phase {
	case v1alpha1.PhaseRefused, v1alpha1.PhaseExpired:
		return ctrl.Result{}, r.unexpect(ctx, e)
	case v1alpha1.PhaseRetired:
		return r.tombstone(ctx, e)
	}
	if !meta.IsStatusConditionTrue(e.Status.Conditions, v1alpha1.ConditionReserved) {
		return r.reserve(ctx, e)
	}
	if e.Spec.State == v1alpha1.StateRetired {
		return r.retire(ctx, e)
	}
	e.Status.RetiringSince = nil
	if e.Status.Phase == v1alpha1.PhasePending && !r.o.Now().Before(enroll.ExpiresAt(e)) {
		e.Status.Phase = v1alpha1.PhaseExpired
		return ctrl.Result{}, r.unexpect(ctx, e)
	}
	r.mint(ctx, e)
	if err := r.expectByToken(ctx, e); err != nil {
		return ctrl.Result{}, err
	}
	if len(e.Status.CSR) > 0 && len(e.Status.Certificate) == 0 {
		if result, err := r.sign(ctx, e); err != nil || result.RequeueAfter > 0 || e.Status.Phase == v1alpha1.PhaseRefused {
			return result, err
		}
	}
	result, err := r.follow(ctx, e)
	if e.Status.Phase == v1alpha1.PhasePending && result.RequeueAfter == 0 {
		result.RequeueAfter = enroll.ExpiresAt(e).Sub(r.o.Now())
		if e.Spec.TokenFor != nil && e.Status.Token == nil {
			result.RequeueAfter = min(result.RequeueAfter, mintRetry)
		}
	}
	return result, err
}

// mintRetry is how soon a token is tried again that could not be made.
const mintRetry = 2 * time.Second

var order = map[v1alpha1.EnrollmentPhase]int{
	"": 0, v1alpha1.PhasePending: 1, v1alpha1.PhaseCodeUsed: 2, v1alpha1.PhaseCertificateIssued: 3,
	v1alpha1.PhaseRegistered: 4, v1alpha1.PhaseReady: 5, v1alpha1.PhaseTunnelUp: 6, v1alpha1.PhaseVerified: 7,
}

// advance never goes back: the phase tells how far the join has come, the
// conditions how the node is now.
func advance(e *v1alpha1.EdgeEnrollment, to v1alpha1.EnrollmentPhase) {
	if order[to] > order[e.Status.Phase] {
		e.Status.Phase = to
	}
}

// set writes a condition; its transition time is the injected clock's.
func (r *Reconciler) set(e *v1alpha1.EdgeEnrollment, kind string, ok bool, reason, message string) {
	status := metav1.ConditionFalse
	if ok {
		status = metav1.ConditionTrue
	}
	const most = 1024
	if len(message) > most {
		message = message[:most]
	}
	meta.SetStatusCondition(&e.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message,
		ObservedGeneration: e.Generation, LastTransitionTime: metav1.NewTime(r.o.Now())})
}
