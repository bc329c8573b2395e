package v1alpha1

import "k8s.io/apimachinery/pkg/api/meta"

// Claims reports whether the enrollment has its node name and address, or waits for
// edge-watcher to decide. An enrollment that was refused, expired, retired, deleted or
// revoked before its code was used claims nothing.
func (e *EdgeEnrollment) Claims() bool {
	if !e.DeletionTimestamp.IsZero() || e.Undecodable != "" {
		return false
	}
	switch e.Status.Phase {
	case PhaseExpired, PhaseRefused, PhaseRetired:
		return false
	case PhasePending, "":
		return e.Spec.State != StateRevoked
	}
	return true
}

// Holds reports whether edge-watcher gave the enrollment its node name and address and
// the enrollment still has them. This is the only answer to that question: the next
// reservation and the routes both go by it, so a retired device cannot keep an address
// that somebody else was given.
func (e *EdgeEnrollment) Holds() bool {
	return e.Claims() && meta.IsStatusConditionTrue(e.Status.Conditions, ConditionReserved)
}

// OfDevice reports whether the node name belongs, or belonged, to a device: a certificate
// or a token was issued for it, and the enrollment has not expired. A Node of that name is
// an edge node even if it loses its edge label, and even after its retirement. An
// enrollment without a certificate or token proves nothing: whoever may create enrollments
// can ask for the name of a cloud node.
func (e *EdgeEnrollment) OfDevice() bool {
	switch e.Status.Phase {
	case PhaseRefused, PhaseExpired:
		return false
	case "", PhasePending, PhaseCodeUsed:
		if len(e.Status.Certificate) == 0 && e.Status.Token == nil {
			return false
		}
	}
	return e.DeletionTimestamp.IsZero()
}
