package enrollment

import (
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll/pki"
)

// asIfUnused puts an enrollment's status back to where a code waits for its device, with
// a request, as whoever can patch a status may.
func (s *site) asIfUnused(name string, csr []byte) {
	s.t.Helper()
	var e v1alpha1.EdgeEnrollment
	s.get(client.ObjectKey{Namespace: v1alpha1.JoinNamespace, Name: name}, &e)
	e.Status.Phase, e.Status.CSR, e.Status.Certificate, e.Status.CA = v1alpha1.PhaseCodeUsed, csr, nil, nil
	meta.RemoveStatusCondition(&e.Status.Conditions, v1alpha1.ConditionCertificateIssued)
	if err := s.c.Status().Update(s.t.Context(), &e); err != nil {
		s.t.Fatal(err)
	}
}

// TestASignedEnrollmentStaysSigned: who can patch a status gets no second certificate,
// not from another edge-watcher either; the same request is answered again.
func TestASignedEnrollmentStaysSigned(t *testing.T) {
	s := newSite(t)
	s.enrollment("e1", "edge-1", "192.168.100.1", nil)
	s.run("e1")
	s.redeem("e1")
	signed := s.run("e1")
	if len(signed.Status.Certificate) == 0 {
		t.Fatalf("not signed: %+v", signed.Status.Conditions)
	}
	restart := func() {
		s.r = NewReconciler(s.c, s.c, s.apiserver(), (*edgeKubelets)(s), s.r.o)
	}
	_, thief, err := pki.NewRequest("edge-1")
	if err != nil {
		t.Fatal(err)
	}
	s.asIfUnused("e1", signed.Status.CSR)
	if again := s.run("e1"); len(again.Status.Certificate) == 0 {
		t.Errorf("the device's own request is refused: %+v", again.Status.Conditions)
	}
	for what, begin := range map[string]func(){"the same edge-watcher": func() {}, "another edge-watcher": restart} {
		begin()
		s.asIfUnused("e1", thief)
		got := s.run("e1")
		c := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionCertificateIssued)
		if len(got.Status.Certificate) > 0 || got.Status.Phase != v1alpha1.PhaseRefused || c == nil || c.Reason != v1alpha1.ReasonSignedAlready {
			t.Errorf("%s: a second request: phase %s, %+v", what, got.Status.Phase, c)
		}
	}
}

// A certificate of an earlier version, which noted nothing, counts as well.
func TestAnEarlierVersionsCertificateIsNoted(t *testing.T) {
	s := newSite(t)
	s.enrollment("e1", "edge-1", "192.168.100.1", nil)
	s.run("e1")
	s.redeem("e1")
	s.run("e1")
	var cm corev1.ConfigMap
	s.get(client.ObjectKey{Namespace: "kubeedge", Name: IssuedName(shardOf("uid-of-e1"))}, &cm)
	cm.Data = nil
	if err := s.c.Update(t.Context(), &cm); err != nil {
		t.Fatal(err)
	}
	s.r = NewReconciler(s.c, s.c, s.apiserver(), (*edgeKubelets)(s), s.r.o)
	s.run("e1")
	s.get(client.ObjectKeyFromObject(&cm), &cm)
	if cm.Data["uid-of-e1"] == "" {
		t.Errorf("noted is %v", cm.Data)
	}
}

// Without a place to note it nothing is signed.
func TestNothingIsSignedUnnoted(t *testing.T) {
	s := newSite(t)
	for shard := range IssuedShards {
		if err := s.c.Delete(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kubeedge", Name: IssuedName(shard)}}); err != nil {
			t.Fatal(err)
		}
	}
	s.enrollment("e1", "edge-1", "192.168.100.1", nil)
	s.run("e1")
	s.redeem("e1")
	if e := s.run("e1"); len(e.Status.Certificate) > 0 || e.Status.Phase == v1alpha1.PhaseRefused {
		t.Errorf("phase %s, a certificate of %d bytes", e.Status.Phase, len(e.Status.Certificate))
	}
}

// An object has no room for ever: the entries of enrollments that are gone are dropped.
func TestIssuedForgetsWhatIsGone(t *testing.T) {
	s := newSite(t)
	e := s.enrollment("e1", "edge-1", "192.168.100.1", nil)
	e.Status.CSR = []byte("a request")
	var cm corev1.ConfigMap
	s.get(client.ObjectKey{Namespace: "kubeedge", Name: IssuedName(shardOf(e.UID))}, &cm)
	cm.Data = map[string]string{}
	for n := range issuedFull {
		cm.Data[fmt.Sprint("gone-", n)] = "hash"
	}
	// Another that is still there, in the same shard.
	for n := 0; ; n++ {
		name := fmt.Sprint("other-", n)
		if uid := types.UID("uid-of-" + name); shardOf(uid) == shardOf(e.UID) {
			s.enrollment(name, "edge-2", "192.168.100.2", nil)
			cm.Data[string(uid)] = "hash"
			break
		}
	}
	if err := s.c.Update(t.Context(), &cm); err != nil {
		t.Fatal(err)
	}
	if err := s.r.issued.record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	s.get(client.ObjectKeyFromObject(&cm), &cm)
	if len(cm.Data) != 2 || len(cm.Data[string(e.UID)]) != 64 {
		t.Errorf("%d entries are left", len(cm.Data))
	}
}

// TestChartHasTheRecords: the chart makes as many objects as certificates are spread over.
func TestChartHasTheRecords(t *testing.T) {
	rendered, err := os.ReadFile("../../runtime/testdata/nodeport.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for shard := range IssuedShards + 1 {
		// Once as an object, once among edge-watcher's rights.
		got, want := strings.Count(string(rendered), IssuedName(shard)+"\n"), 2
		if shard == IssuedShards {
			want = 0
		}
		if got != want {
			t.Errorf("the chart names %s %d times, want %d", IssuedName(shard), got, want)
		}
	}
}
