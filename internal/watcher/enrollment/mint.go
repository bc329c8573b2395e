package enrollment

import (
	"bytes"
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/token"
)

// mint answers a request for KubeEdge's own token as long as the enrollment waits
// for its device. The token lives as long as the enrollment's code.
func (r *Reconciler) mint(ctx context.Context, e *v1alpha1.EdgeEnrollment) {
	want := e.Spec.TokenFor
	if want == nil {
		e.Status.Token = nil
		return
	}
	if e.Status.Phase != v1alpha1.PhasePending || e.Spec.State == v1alpha1.StateRevoked {
		return
	}
	if have := e.Status.Token; have != nil && bytes.Equal(have.For, want.PublicKey) {
		return
	}
	expires := enroll.ExpiresAt(e)
	secret, err := r.caSecret(ctx)
	if err != nil {
		r.set(e, v1alpha1.ConditionTokenMinted, false, v1alpha1.ReasonCANotAvailable, err.Error())
		return
	}
	minted, err := token.Mint(secret.Data[caCertName], secret.Data[caKeyName], expires)
	if err != nil {
		r.set(e, v1alpha1.ConditionTokenMinted, false, v1alpha1.ReasonCANotAvailable, err.Error())
		return
	}
	sealed, err := token.Seal(want.PublicKey, e.Name, minted)
	if err != nil {
		r.set(e, v1alpha1.ConditionTokenMinted, false, v1alpha1.ReasonInvalid, err.Error())
		return
	}
	e.Status.Token = &v1alpha1.SealedToken{For: want.PublicKey, Sealed: sealed, ExpiresAt: metav1.NewTime(expires)}
	r.set(e, v1alpha1.ConditionTokenMinted, true, "Minted", "a join token was made for whoever asked")
}
