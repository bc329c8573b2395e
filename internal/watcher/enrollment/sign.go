package enrollment

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll/pki"
)

// The Secret in which CloudCore keeps its CA, both parts DER.
const (
	caSecretName = "casecret"
	caCertName   = "cadata"
	caKeyName    = "cakeydata"
)

// sign answers the device's request, once: what was signed is noted where nobody else
// writes, so a changed status brings no second certificate. Code redemption took the
// request in time, so a code that expires in this very moment is not refused.
func (r *Reconciler) sign(ctx context.Context, e *v1alpha1.EdgeEnrollment) (ctrl.Result, error) {
	if e.Spec.State == v1alpha1.StateRevoked {
		return ctrl.Result{}, nil
	}
	ca, err := r.ca(ctx)
	if err != nil {
		r.set(e, v1alpha1.ConditionCertificateIssued, false, v1alpha1.ReasonCANotAvailable, err.Error())
		return ctrl.Result{RequeueAfter: 2 * time.Second}, nil
	}
	var cert []byte
	if _, err = pki.CheckRequest(e.Status.CSR, e.Spec.NodeName); err == nil {
		err = r.issued.record(ctx, e)
	}
	if err == nil {
		cert, err = ca.Sign(e.Status.CSR, e.Spec.NodeName, r.o.Now())
	}
	switch {
	case errors.Is(err, errSignedAlready):
		r.set(e, v1alpha1.ConditionCertificateIssued, false, v1alpha1.ReasonSignedAlready, err.Error())
		e.Status.Phase = v1alpha1.PhaseRefused
		return ctrl.Result{}, nil
	case errors.Is(err, pki.ErrCSR):
		r.set(e, v1alpha1.ConditionCertificateIssued, false, v1alpha1.ReasonCSRInvalid, err.Error())
		e.Status.Phase = v1alpha1.PhaseRefused
		return ctrl.Result{}, nil
	case err != nil:
		r.set(e, v1alpha1.ConditionCertificateIssued, false, v1alpha1.ReasonCANotAvailable, err.Error())
		return ctrl.Result{RequeueAfter: 2 * time.Second}, nil
	}
	r.expect(ctx, e)
	e.Status.Certificate, e.Status.CA = cert, ca.PEM()
	r.set(e, v1alpha1.ConditionCertificateIssued, true, "Signed", "signed for "+pki.CommonName(e.Spec.NodeName))
	advance(e, v1alpha1.PhaseCertificateIssued)
	return ctrl.Result{}, nil
}

func (r *Reconciler) ca(ctx context.Context) (*pki.CA, error) {
	s, err := r.caSecret(ctx)
	if err != nil {
		return nil, err
	}
	return pki.ParseCA(s.Data[caCertName], s.Data[caKeyName])
}

func (r *Reconciler) caSecret(ctx context.Context) (*corev1.Secret, error) {
	var s corev1.Secret
	err := r.live.Get(ctx, client.ObjectKey{Namespace: v1alpha1.KubeEdgeNamespace, Name: caSecretName}, &s)
	if err != nil {
		return nil, fmt.Errorf("reading KubeEdge's CA (has CloudCore started?): %w", err)
	}
	return &s, nil
}
