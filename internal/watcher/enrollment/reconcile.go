package enrollment

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/routes"
)

// Reconciler moves one enrollment at a time to where its spec and its Node say.
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
	issued    issued
}

// NewReconciler makes a Reconciler. c may read Nodes and enrollments from a cache
// with IndexNodeName, live reads from the apiserver, core is the REST client of
// the core API group, by which logs are read, and figures answers for kubelets.
func NewReconciler(c client.Client, live client.Reader, core rest.Interface, figures Figures, o Options) *Reconciler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ServiceCIDRs == nil {
		o.ServiceCIDRs = func() []netip.Prefix { return nil }
	}
	if o.Nodes == nil {
		o.Nodes = func(ctx context.Context) ([]routes.Node, error) { return listNodes(ctx, live) }
	}
	return &Reconciler{client: c, live: live, tunnel: &tunnelReader{rest: core, figures: figures}, o: o, issued: issued{client: c, live: live}}
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
	if e.Undecodable != "" {
		return ctrl.Result{}, r.tellUndecodable(ctx, &e)
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
		return ctrl.Result{}, fmt.Errorf("writing the status of enrollment %s: %w", e.Name, uerr)
	}
	if before.Phase != e.Status.Phase {
		ctrl.LoggerFrom(ctx).Info("enrollment moved on", "node", e.Spec.NodeName, "from", before.Phase, "to", e.Status.Phase)
	}
	return result, err
}

// tellUndecodable says on an enrollment that it cannot be read, and changes nothing else of
// it. The condition's time is the enrollment's, so that saying it again changes nothing.
func (r *Reconciler) tellUndecodable(ctx context.Context, e *v1alpha1.EdgeEnrollment) error {
	const most = 1024
	why := e.Undecodable[:min(len(e.Undecodable), most)]
	message := "the enrollment cannot be read: " + why + "; correct the field, or delete the enrollment"
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []metav1.Condition{{
		Type: v1alpha1.ConditionReserved, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonInvalid,
		Message: message, LastTransitionTime: e.CreationTimestamp,
	}}}})
	if err != nil {
		return fmt.Errorf("encode the condition of enrollment %s: %w", e.Name, err)
	}
	target := &v1alpha1.EdgeEnrollment{ObjectMeta: metav1.ObjectMeta{Namespace: e.Namespace, Name: e.Name}}
	if err := r.client.Status().Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("say on enrollment %s that it cannot be read: %w", e.Name, err)
	}
	return nil
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
	if r.bundleExpired(e) {
		return ctrl.Result{}, r.unexpect(ctx, e)
	}
	if cloud, err := r.nameOfCloudNode(ctx, e); err != nil || cloud {
		return ctrl.Result{}, err
	}
	r.mint(ctx, e)
	takeBundle(e)
	if err := r.expectByToken(ctx, e); err != nil {
		return ctrl.Result{}, err
	}
	if len(e.Status.CSR) > 0 && len(e.Status.Certificate) == 0 {
		if result, err := r.sign(ctx, e); err != nil || result.RequeueAfter > 0 || e.Status.Phase == v1alpha1.PhaseRefused {
			return result, err
		}
	} else if len(e.Status.CSR) > 0 {
		// Versions before this one noted nothing.
		if err := r.issued.record(ctx, e); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "an issued certificate is not noted")
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

// nameOfCloudNode refuses an enrollment whose name a cloud node took after the name was
// reserved. Nothing was given out for it yet, and nothing will be.
func (r *Reconciler) nameOfCloudNode(ctx context.Context, e *v1alpha1.EdgeEnrollment) (bool, error) {
	if e.OfDevice() {
		return false, nil
	}
	var node corev1.Node
	err := r.live.Get(ctx, client.ObjectKey{Name: e.Spec.NodeName}, &node)
	if err != nil || isEdge(&node) {
		return false, client.IgnoreNotFound(err)
	}
	r.set(e, v1alpha1.ConditionReserved, false, v1alpha1.ReasonNameTaken, fmt.Sprintf("%q is a cloud node by now", e.Spec.NodeName))
	e.Status.Phase = v1alpha1.PhaseRefused
	return true, nil
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
