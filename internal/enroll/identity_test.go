package enroll

import (
	"context"
	"errors"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll/pki"
)

// signing answers a request for a bundle as edge-watcher does; how says what becomes of it.
func signing(t *testing.T, how func(*v1alpha1.EdgeEnrollment), objects ...client.Object) client.Client {
	t.Helper()
	plain := cluster(t, false, objects...).(client.WithWatch)
	return interceptor.NewClient(plain, interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
		if err := c.Patch(ctx, o, patch, opts...); err != nil {
			return err
		}
		dry := client.PatchOptions{}
		dry.ApplyOptions(opts)
		if len(dry.DryRun) > 0 {
			return nil
		}
		e := o.DeepCopyObject().(*v1alpha1.EdgeEnrollment)
		how(e)
		return c.Status().Update(ctx, e)
	}})
}

func fetched(t *testing.T, c client.Client) *v1alpha1.EdgeEnrollment {
	t.Helper()
	var e v1alpha1.EdgeEnrollment
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(enrollment("GOOD", nil)), &e); err != nil {
		t.Fatal(err)
	}
	return &e
}

// TestIdentity: the key fits the request that was signed, and is in no object.
func TestIdentity(t *testing.T) {
	c := signing(t, func(e *v1alpha1.EdgeEnrollment) {
		e.Status.CSR, e.Status.Phase = e.Spec.Bundle.CSR, v1alpha1.PhaseCertificateIssued
		e.Status.Certificate, e.Status.CA = []byte("CERT"), []byte("CA")
	}, enrollment("GOOD", nil))
	ready := 0
	got, err := RequestIdentity(t.Context(), c, fetched(t, c), func() error { ready++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	e := fetched(t, c)
	if string(got.Certificate) != "CERT" || string(got.CA) != "CA" || len(got.Key) == 0 || !got.Expires.Equal(ExpiresAt(e)) || ready != 1 {
		t.Errorf("the identity is %+v, ready was asked %d times", got, ready)
	}
	if _, err := pki.CheckRequest(e.Spec.Bundle.CSR, "jetson-xavier"); err != nil {
		t.Errorf("the request is not acceptable: %v", err)
	}
	if _, err := RequestIdentity(t.Context(), c, e, func() error { return nil }); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("a second bundle: %v", err)
	}
}

// TestIdentityOfAChangingEnrollment: edge-watcher's writes to a new enrollment do not fail
// the request, and a device that used the code meanwhile does.
func TestIdentityOfAChangingEnrollment(t *testing.T) {
	sign := func(e *v1alpha1.EdgeEnrollment) {
		e.Status.CSR, e.Status.Certificate = e.Spec.Bundle.CSR, []byte("CERT")
	}
	change := func(t *testing.T, phase v1alpha1.EnrollmentPhase) error {
		c := signing(t, sign, enrollment("GOOD", nil))
		changed := false
		_, err := RequestIdentity(t.Context(), c, fetched(t, c), func() error {
			if changed {
				return nil
			}
			changed = true
			e := fetched(t, c)
			e.Status.Phase = phase
			return c.Status().Update(t.Context(), e)
		})
		return err
	}
	if err := change(t, v1alpha1.PhasePending); err != nil {
		t.Errorf("edge-watcher wrote meanwhile: %v", err)
	}
	if err := change(t, v1alpha1.PhaseCertificateIssued); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("a device was faster: %v", err)
	}
}

// TestNoIdentity: what cannot be is said, and what was called off spends nothing.
func TestNoIdentity(t *testing.T) {
	for what, status := range map[string]func(*v1alpha1.EdgeEnrollment){
		"a device was first": func(e *v1alpha1.EdgeEnrollment) { e.Status.CSR = []byte("another") },
		"refused":            func(e *v1alpha1.EdgeEnrollment) { e.Status.Phase = v1alpha1.PhaseRefused },
	} {
		c := signing(t, status, enrollment("GOOD", nil))
		if _, err := RequestIdentity(t.Context(), c, fetched(t, c), func() error { return nil }); !errors.Is(err, ErrNoIdentity) {
			t.Errorf("%s: %v", what, err)
		}
	}
	c := signing(t, func(*v1alpha1.EdgeEnrollment) {}, enrollment("GOOD", nil))
	off := errors.New("called off")
	if _, err := RequestIdentity(t.Context(), c, fetched(t, c), func() error { return off }); !errors.Is(err, off) {
		t.Errorf("called off: %v", err)
	}
	if fetched(t, c).Spec.Bundle != nil {
		t.Error("what was called off has spent the code")
	}
}
