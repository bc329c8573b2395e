package enroll

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// ErrNoIdentity is wrapped when there is no certificate for an offline bundle.
var ErrNoIdentity = errcat.New("BundleUnavailable", "no bundle can be made for this enrollment")

// Identity is what an edge node proves its name with, in PEM.
type Identity struct {
	Key, Certificate, CA []byte
	// Expires is when the enrollment ends if no device has come with it.
	Expires time.Time
}

// RequestIdentity spends the code of an enrollment for an offline bundle, with the
// caller's right to change the enrollment. The private key is made here and stored
// nowhere, so a second call for one enrollment fails with ErrNoIdentity. ready, called
// when the caller's right is known and nothing is spent yet, may call it off; it is called
// again when the enrollment changed meanwhile.
func RequestIdentity(ctx context.Context, user client.Client, e *v1alpha1.EdgeEnrollment, ready func() error) (*Identity, error) {
	key, csr, err := pki.NewRequest(e.Spec.NodeName)
	if err != nil {
		return nil, err
	}
	at := client.ObjectKeyFromObject(e)
	// edge-watcher writes to a new enrollment, too.
	if err := retry.RetryOnConflict(retry.DefaultBackoff, func() error { return askIdentity(ctx, user, at, csr, ready) }); err != nil {
		return nil, err
	}
	var signed *v1alpha1.EdgeEnrollment
	err = await(ctx, user, at, ErrNoIdentity, func(now *v1alpha1.EdgeEnrollment) (bool, error) {
		signed = now
		if bytes.Equal(now.Status.CSR, csr) && len(now.Status.Certificate) > 0 {
			return true, nil
		}
		return false, unsigned(now, csr)
	})
	if err != nil {
		return nil, err
	}
	return &Identity{Key: key, Certificate: signed.Status.Certificate, CA: signed.Status.CA, Expires: ExpiresAt(signed)}, nil
}

// askIdentity puts csr into the newest state of the enrollment, unless that state has
// none to give.
func askIdentity(ctx context.Context, user client.Client, at client.ObjectKey, csr []byte, ready func() error) error {
	e := &v1alpha1.EdgeEnrollment{}
	if err := user.Get(ctx, at, e); err != nil {
		return fmt.Errorf("reading the enrollment: %w", err)
	}
	if err := noIdentity(e); err != nil {
		return err
	}
	base := e.DeepCopy()
	e.Spec.Bundle = &v1alpha1.BundleRequest{CSR: csr}
	patch := client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})
	if err := user.Patch(ctx, e.DeepCopy(), patch, client.DryRunAll); err != nil {
		return fmt.Errorf("asking for the bundle's certificate: %w", err)
	}
	if err := ready(); err != nil {
		return err
	}
	if err := user.Patch(ctx, e, patch); err != nil {
		return fmt.Errorf("asking for the bundle's certificate: %w", err)
	}
	return nil
}

// noIdentity says why there will be none.
func noIdentity(e *v1alpha1.EdgeEnrollment) error {
	switch {
	case e.Spec.Bundle != nil:
		return fmt.Errorf("%w: one was made already, and its key is nowhere else", ErrNoIdentity)
	case e.Spec.State == v1alpha1.StateRevoked, e.Spec.State == v1alpha1.StateRetired:
		return fmt.Errorf("%w: it is %s", ErrNoIdentity, e.Spec.State)
	case e.Status.Phase != "" && e.Status.Phase != v1alpha1.PhasePending:
		return fmt.Errorf("%w: it is %s already", ErrNoIdentity, e.Status.Phase)
	}
	return nil
}

// unsigned says why nothing will be signed for csr.
func unsigned(e *v1alpha1.EdgeEnrollment, csr []byte) error {
	if len(e.Status.CSR) > 0 && !bytes.Equal(e.Status.CSR, csr) {
		return fmt.Errorf("%w: a device used its code meanwhile", ErrNoIdentity)
	}
	if e.Status.Phase != v1alpha1.PhaseRefused && e.Status.Phase != v1alpha1.PhaseExpired {
		return nil
	}
	for _, kind := range []string{v1alpha1.ConditionReserved, v1alpha1.ConditionCertificateIssued} {
		if c := meta.FindStatusCondition(e.Status.Conditions, kind); c != nil && c.Status == metav1.ConditionFalse {
			return fmt.Errorf("%w: %s", ErrNoIdentity, c.Message)
		}
	}
	return fmt.Errorf("%w: it is %s", ErrNoIdentity, e.Status.Phase)
}
