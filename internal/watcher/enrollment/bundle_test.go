package enrollment

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll/pki"
)

// bundled asks for a bundle as the console does.
func (s *site) bundled(name string) []byte {
	s.t.Helper()
	var csr []byte
	s.change(name, func(e *v1alpha1.EdgeEnrollment) {
		var err error
		if _, csr, err = pki.NewRequest(e.Spec.NodeName); err != nil {
			s.t.Fatal(err)
		}
		e.Spec.Bundle = &v1alpha1.BundleRequest{CSR: csr}
	})
	return csr
}

// TestABundleSpendsTheCode: what the console asks for is signed, once.
func TestABundleSpendsTheCode(t *testing.T) {
	s := newSite(t)
	s.enrollment("e1", "edge-1", "192.168.100.1", nil)
	s.run("e1")
	csr := s.bundled("e1")
	e := s.run("e1")
	if e.Status.Phase != v1alpha1.PhaseCertificateIssued || len(e.Status.Certificate) == 0 || string(e.Status.CSR) != string(csr) {
		t.Errorf("phase %s, %+v", e.Status.Phase, e.Status.Conditions)
	}
	// A device was first: its request stays.
	s.enrollment("e2", "edge-2", "192.168.100.2", nil)
	s.run("e2")
	s.redeem("e2")
	first := s.run("e2").Status.CSR
	s.bundled("e2")
	if got := s.run("e2").Status.CSR; string(got) != string(first) {
		t.Error("a bundle took the place of a device")
	}
	// Nothing is signed for one that is revoked.
	s.enrollment("e3", "edge-3", "192.168.100.3", func(e *v1alpha1.EdgeEnrollment) { e.Spec.State = v1alpha1.StateRevoked })
	s.run("e3")
	s.bundled("e3")
	if got := s.run("e3"); len(got.Status.Certificate) > 0 {
		t.Error("a revoked enrollment got a certificate")
	}
}

// TestABundleExpires: a bundle that nobody used is worth nothing after its time, and one
// that was used stays.
func TestABundleExpires(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"1", "2"} {
		s.enrollment("e"+name, "edge-"+name, "192.168.100."+name, nil)
		s.run("e" + name)
		s.bundled("e" + name)
		s.run("e" + name)
	}
	s.register("edge-2", "192.168.100.2", ready)
	if got := s.run("e2").Status.Phase; got != v1alpha1.PhaseReady {
		t.Fatalf("the device of the second bundle is %s", got)
	}
	s.now = s.now.Add(59 * time.Minute)
	if got := s.run("e1").Status.Phase; got != v1alpha1.PhaseCertificateIssued {
		t.Errorf("before its time the first is %s", got)
	}
	s.now = s.now.Add(2 * time.Minute)
	e := s.run("e1")
	if e.Status.Phase != v1alpha1.PhaseExpired || len(e.Status.Certificate) > 0 {
		t.Errorf("after its time the first is %s, with a certificate of %d bytes", e.Status.Phase, len(e.Status.Certificate))
	}
	if err := s.c.Get(t.Context(), client.ObjectKey{Name: "edge-1"}, &corev1.Node{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Node that waited for it: %v", err)
	}
	if got := s.run("e2").Status.Phase; got != v1alpha1.PhaseReady {
		t.Errorf("the second is %s", got)
	}
}
