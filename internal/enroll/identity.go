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
// when the caller's right is known and nothing is spent yet, may call it off; it is asked again when the enrollment changed
// meanwhile.
func RequestIdentity(ctx context.Context, user client.Client, e *v1alpha1.EdgeEnrollment, ready func() error) (*Identity, error) {
	key, csr, err := pki.NewRequest(e.Spec.NodeName)
	if err != nil {
		return nil, err
	}
	// edge-watcher writes to a new enrollment, too.
	if err := retry.RetryOnConflict(retry.DefaultBackoff, func() error { return askIdentity(ctx, user, e.DeepCopy(), csr, ready) }); err != nil {
		return nil, err
	}
	signed, err := awaitIdentity(ctx, user, client.ObjectKeyFromObject(e), csr)
	if err != nil {
		return nil, err
	}
	return &Identity{Key: key, Certificate: signed.Status.Certificate, CA: signed.Status.CA, Expires: ExpiresAt(signed)}, nil
}

// askIdentity puts csr into the newest state of the enrollment, unless that state has
// none to give.
func askIdentity(ctx context.Context, user client.Client, e *v1alpha1.EdgeEnrollment, csr []byte, ready func() error) error {
	if err := user.Get(ctx, client.ObjectKeyFromObject(e), e); err != nil {
		return err
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

// awaitIdentity polls, as awaitToken does.
func awaitIdentity(ctx context.Context, user client.Client, key client.ObjectKey, csr []byte) (*v1alpha1.EdgeEnrollment, error) {
	tooLate := time.After(tokenPatience)
	tick := time.NewTicker(tokenPoll)
	defer tick.Stop()
	for {
		var now v1alpha1.EdgeEnrollment
		if err := user.Get(ctx, key, &now); err != nil {
			return nil, fmt.Errorf("waiting for the bundle's certificate: %w", err)
		}
		if bytes.Equal(now.Status.CSR, csr) && len(now.Status.Certificate) > 0 {
			return &now, nil
		}
		if err := unsigned(&now, csr); err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the bundle's certificate: %w", ctx.Err())
		case <-tooLate:
			return nil, fmt.Errorf("%w: edge-watcher has not signed it: see whether it runs in namespace %s", ErrNoIdentity, v1alpha1.KubeEdgeNamespace)
		case <-tick.C:
		}
	}
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
