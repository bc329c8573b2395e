package v1alpha1

import "k8s.io/apimachinery/pkg/api/meta"

// Claims reports whether the enrollment has its node name and address, or waits for
// edge-watcher to decide. An enrollment that was refused, expired, retired, deleted or
// revoked before its code was used claims nothing.
func (e *EdgeEnrollment) Claims() bool {
	if !e.DeletionTimestamp.IsZero() {
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

// OfDevice reports whether the node name belongs, or belonged, to a device: the
// enrollment was accepted and has not expired. A Node of that name is never a cloud node,
// whatever its labels say, not even after its retirement.
func (e *EdgeEnrollment) OfDevice() bool {
	switch e.Status.Phase {
	case "", PhaseRefused, PhaseExpired:
		return false
	}
	return e.DeletionTimestamp.IsZero()
}
