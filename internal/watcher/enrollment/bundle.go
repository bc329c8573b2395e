package enrollment

import (
	"bytes"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
)

// takeBundle spends the code for an offline bundle: what the console asks for is signed
// as if a device had redeemed the code, and no device can redeem it any more.
func takeBundle(e *v1alpha1.EdgeEnrollment) {
	if e.Spec.Bundle == nil || len(e.Status.CSR) > 0 || e.Status.Phase != v1alpha1.PhasePending || e.Spec.State == v1alpha1.StateRevoked {
		return
	}
	e.Status.CSR = e.Spec.Bundle.CSR
	e.Status.Phase = v1alpha1.PhaseCodeUsed
}

// waitsForBundle says whether a bundle was made and its device has not come yet.
func waitsForBundle(e *v1alpha1.EdgeEnrollment) bool {
	return e.Spec.Bundle != nil && e.Status.Phase == v1alpha1.PhaseCertificateIssued && bytes.Equal(e.Status.CSR, e.Spec.Bundle.CSR)
}

// bundleExpired ends an enrollment whose bundle was not used in time. The gate then lets
// nobody in under its name, so a bundle that was lost is worth nothing.
func (r *Reconciler) bundleExpired(e *v1alpha1.EdgeEnrollment) bool {
	if !waitsForBundle(e) || r.o.Now().Before(enroll.ExpiresAt(e)) {
		return false
	}
	e.Status.Phase = v1alpha1.PhaseExpired
	e.Status.Certificate, e.Status.CA = nil, nil
	return true
}
