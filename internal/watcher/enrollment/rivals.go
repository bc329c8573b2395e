package enrollment

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
)

// IndexReserved is the field index that finds the enrollment which holds a name or an
// address. Those that were refused are not in it: thousands may ask for one name.
const IndexReserved = "enrollment.edgeway.io/reserved"

// ReservedBy are the values of IndexReserved.
func ReservedBy(o client.Object) []string {
	e, ok := o.(*v1alpha1.EdgeEnrollment)
	if !ok || !reserved(e) {
		return nil
	}
	return claimsOf(e)
}

// claimsOf are the name and the address that an enrollment asks for, the address as a value
// and not as it is written.
func claimsOf(e *v1alpha1.EdgeEnrollment) []string {
	claims := []string{"name/" + e.Spec.NodeName}
	if addr, err := netip.ParseAddr(e.Spec.NodeIP); err == nil {
		claims = append(claims, "address/"+addr.String())
	}
	return claims
}

// reservations makes one reservation at a time, and remembers those that the cache does
// not show yet. Reading all enrollments past the cache for each would be simpler, and
// quadratic.
//
// A cache that is behind cannot refuse an enrollment by mistake: what freed a name or an
// address before the enrollment was created is in the same watch before it.
type reservations struct {
	sync.Mutex
	recent map[types.UID]v1alpha1.EdgeEnrollment
}

// remember keeps a reservation that was just written. It is called with the lock held.
func (r *Reconciler) remember(e *v1alpha1.EdgeEnrollment) {
	if !reserved(e) {
		return
	}
	if r.reserving.recent == nil {
		r.reserving.recent = map[types.UID]v1alpha1.EdgeEnrollment{}
	}
	r.reserving.recent[e.UID] = *e.DeepCopy()
}

// rivals are the other enrollments that hold the name or the address of e. It is called
// with the lock held.
func (r *Reconciler) rivals(ctx context.Context, e *v1alpha1.EdgeEnrollment) ([]v1alpha1.EdgeEnrollment, error) {
	if err := r.forgetShown(ctx); err != nil {
		return nil, err
	}
	found := map[types.UID]v1alpha1.EdgeEnrollment{}
	for _, claim := range claimsOf(e) {
		var list v1alpha1.EdgeEnrollmentList
		if err := r.client.List(ctx, &list, client.InNamespace(v1alpha1.JoinNamespace), client.MatchingFields{IndexReserved: claim}); err != nil {
			return nil, fmt.Errorf("list the enrollments of name %q and address %s: %w", e.Spec.NodeName, e.Spec.NodeIP, err)
		}
		for i := range list.Items {
			if o := list.Items[i]; reserved(&o) {
				found[o.UID] = o
			}
		}
	}
	for uid, o := range r.reserving.recent {
		found[uid] = o // all of them are few, and decide looks at names and addresses anyway
	}
	delete(found, e.UID)
	out := make([]v1alpha1.EdgeEnrollment, 0, len(found))
	for _, o := range found {
		out = append(out, o)
	}
	return out, nil
}

// forgetShown drops what the cache has caught up with: it shows that version or a later
// one, or no longer has the enrollment that it had.
func (r *Reconciler) forgetShown(ctx context.Context) error {
	for uid, o := range r.reserving.recent {
		var now v1alpha1.EdgeEnrollment
		err := r.client.Get(ctx, client.ObjectKeyFromObject(&o), &now)
		switch {
		case apierrors.IsNotFound(err), err == nil && (now.UID != uid || meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionReserved) != nil):
			delete(r.reserving.recent, uid)
		case err != nil:
			return fmt.Errorf("read enrollment %s: %w", o.Name, err)
		}
	}
	return nil
}

// reserved tells whether an enrollment was given its name and address and still has them.
func reserved(e *v1alpha1.EdgeEnrollment) bool {
	return enroll.Reserves(e) && meta.IsStatusConditionTrue(e.Status.Conditions, v1alpha1.ConditionReserved)
}
