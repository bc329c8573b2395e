package facts

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

func edgeNode(name string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func enrollmentOf(name, node string, phase v1alpha1.EnrollmentPhase, state v1alpha1.EnrollmentState) *v1alpha1.EdgeEnrollment {
	return &v1alpha1.EdgeEnrollment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.EdgeEnrollmentSpec{NodeName: node, State: state},
		Status:     v1alpha1.EdgeEnrollmentStatus{Phase: phase},
	}
}

// withToken is an enrollment of node n for which a join token was handed out.
func withToken(name string, phase v1alpha1.EnrollmentPhase, state v1alpha1.EnrollmentState) *v1alpha1.EdgeEnrollment {
	e := enrollmentOf(name, "n", phase, state)
	e.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionTokenMinted, Status: metav1.ConditionTrue}}
	return e
}

// signedFor is an enrollment of node n whose device got its certificate by a code.
func signedFor(phase v1alpha1.EnrollmentPhase) *v1alpha1.EdgeEnrollment {
	e := enrollmentOf("a", "n", phase, v1alpha1.StateActive)
	e.Status.Certificate = []byte("a certificate")
	return e
}

// TestWhoseTokenIsGood: a join token is bound to no name, so it takes none over.
func TestWhoseTokenIsGood(t *testing.T) {
	for _, tc := range []struct {
		name       string
		node       bool
		enrollment *v1alpha1.EdgeEnrollment
		want       error
	}{
		{"nothing", false, nil, ErrUnknown},
		{"a Node of keadm", true, nil, nil},
		{"a token for it", false, withToken("a", v1alpha1.PhasePending, v1alpha1.StateActive), nil},
		{"came with a token", true, withToken("a", v1alpha1.PhaseVerified, v1alpha1.StateActive), nil},
		{"came with a code", true, signedFor(v1alpha1.PhaseVerified), ErrEnrolled},
		{"comes with a code", false, signedFor(v1alpha1.PhaseCertificateIssued), ErrEnrolled},
		{"came with a code and retired", false, signedFor(v1alpha1.PhaseRetired), ErrRetired},
	} {
		n := newNames()
		if tc.node {
			add(t, newTable("", readEdgeNode, n.setEdgeNode).Add(edgeNode("n")))
		}
		if tc.enrollment != nil {
			add(t, newTable("", readEnrollee, n.setEnrollee).Add(tc.enrollment))
		}
		if got := n.checkToken("n"); !errors.Is(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestWhoMayHaveATunnel(t *testing.T) {
	const active, revokedState, retiring = v1alpha1.StateActive, v1alpha1.StateRevoked, v1alpha1.StateRetired
	for _, tc := range []struct {
		name        string
		node        bool
		enrollments []*v1alpha1.EdgeEnrollment
		want        error
	}{
		{"nothing", false, nil, ErrUnknown},
		{"a Node of keadm", true, nil, nil},
		{"pending", false, []*v1alpha1.EdgeEnrollment{enrollmentOf("a", "n", v1alpha1.PhasePending, active)}, ErrUnknown},
		{"certificate issued", false, []*v1alpha1.EdgeEnrollment{enrollmentOf("a", "n", v1alpha1.PhaseCertificateIssued, active)}, nil},
		{"another name", false, []*v1alpha1.EdgeEnrollment{enrollmentOf("a", "m", v1alpha1.PhaseVerified, active)}, ErrUnknown},
		{"revoked", true, []*v1alpha1.EdgeEnrollment{enrollmentOf("a", "n", v1alpha1.PhaseVerified, revokedState)}, ErrRevoked},
		{"a code that was revoked", true, []*v1alpha1.EdgeEnrollment{enrollmentOf("a", "n", v1alpha1.PhasePending, revokedState)}, nil},
		{"draining", true, []*v1alpha1.EdgeEnrollment{enrollmentOf("a", "n", v1alpha1.PhaseVerified, retiring)}, nil},
		{"retired", false, []*v1alpha1.EdgeEnrollment{enrollmentOf("a", "n", v1alpha1.PhaseRetired, retiring)}, ErrRetired},
		{"retired and back", true, []*v1alpha1.EdgeEnrollment{enrollmentOf("a", "n", v1alpha1.PhaseRetired, retiring)}, ErrRetired},
		{"retired and enrolled anew", false, []*v1alpha1.EdgeEnrollment{
			enrollmentOf("a", "n", v1alpha1.PhaseRetired, retiring), enrollmentOf("b", "n", v1alpha1.PhaseCertificateIssued, active)}, nil},
		{"a token handed out", false, []*v1alpha1.EdgeEnrollment{withToken("a", v1alpha1.PhasePending, active)}, nil},
		{"a token handed out and revoked", true, []*v1alpha1.EdgeEnrollment{withToken("a", v1alpha1.PhasePending, revokedState)}, ErrRevoked},
		{"a token handed out, and nobody came", false, []*v1alpha1.EdgeEnrollment{withToken("a", v1alpha1.PhaseExpired, active)}, ErrUnknown},
		{"retired and a token for it", false, []*v1alpha1.EdgeEnrollment{
			enrollmentOf("a", "n", v1alpha1.PhaseRetired, retiring), withToken("b", v1alpha1.PhasePending, active)}, nil},
		{"retired and a code for it", true, []*v1alpha1.EdgeEnrollment{
			enrollmentOf("a", "n", v1alpha1.PhaseRetired, retiring), enrollmentOf("b", "n", v1alpha1.PhasePending, active)}, ErrRetired},
	} {
		n := newNames()
		nodes, enrollments := newTable("", readEdgeNode, n.setEdgeNode), newTable("", readEnrollee, n.setEnrollee)
		if tc.node {
			add(t, nodes.Add(edgeNode("n")))
		}
		for _, e := range tc.enrollments {
			add(t, enrollments.Add(e))
		}
		if got := n.check("n"); !errors.Is(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
		// What is gone leaves nothing behind.
		add(t, nodes.Replace(nil, ""))
		add(t, enrollments.Replace(nil, ""))
		if got := n.check("n"); !errors.Is(got, ErrUnknown) || len(n.enrollees)+len(n.edge) > 0 {
			t.Errorf("%s: %v after everything was deleted", tc.name, got)
		}
	}
}

// TestWhoIsToldOfAName: every change that may end a tunnel is told, a heartbeat is not.
func TestWhoIsToldOfAName(t *testing.T) {
	n := newNames()
	var told []string
	n.changed = func(node string) { told = append(told, node) }
	nodes, enrollments := newTable("", readEdgeNode, n.setEdgeNode), newTable("", readEnrollee, n.setEnrollee)
	for _, step := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"registered", func() error { return nodes.Add(edgeNode("n")) }, []string{"n"}},
		{"heartbeat", func() error { return nodes.Update(edgeNode("n")) }, nil},
		{"verified", func() error { return enrollments.Add(enrollmentOf("a", "n", v1alpha1.PhaseVerified, "")) }, []string{"n"}},
		{"unchanged", func() error { return enrollments.Update(enrollmentOf("a", "n", v1alpha1.PhaseReady, "")) }, nil},
		{"revoked", func() error {
			return enrollments.Update(enrollmentOf("a", "n", v1alpha1.PhaseVerified, v1alpha1.StateRevoked))
		}, []string{"n"}},
		{"deleted while the watch was away", func() error { return nodes.Replace([]any{edgeNode("m")}, "") }, []string{"m", "n"}},
	} {
		told = nil
		add(t, step.do())
		if diff := cmp.Diff(step.want, told); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestAddresses(t *testing.T) {
	slice := func(name string, routes ...v1alpha1.EdgeRoute) *v1alpha1.EdgeRouteSlice {
		return &v1alpha1.EdgeRouteSlice{ObjectMeta: metav1.ObjectMeta{Name: name}, Routes: routes}
	}
	r := func(node, addr string) v1alpha1.EdgeRoute { return v1alpha1.EdgeRoute{Node: node, Address: addr} }
	a := newAddresses()
	table := newTable("", readRoutes, a.set)
	add(t, table.Add(slice("1", r("n", "192.168.1.1"), r("n", "fd00::1"), r("m", "192.168.1.2"), r("bad", "here"))))
	for addr, want := range map[string]string{"192.168.1.1": "n", "::ffff:192.168.1.1": "n", "fd00::1": "n", "192.168.1.2": "m", "192.168.1.3": ""} {
		if got, _ := a.node(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s belongs to %q, want %q", addr, got, want)
		}
	}
	address := func(node string) string {
		got, _ := a.address(node)
		return got.String()
	}
	if got := address("n"); got != "192.168.1.1" {
		t.Errorf("n is at %s", got)
	}
	// m moves to a new slice, which is seen before it is gone from the old one.
	add(t, table.Add(slice("2", r("m", "192.168.1.2"))))
	add(t, table.Update(slice("1", r("n", "192.168.1.1"))))
	if node, _ := a.node(netip.MustParseAddr("192.168.1.2")); node != "m" || address("m") != "192.168.1.2" {
		t.Errorf("m got lost on its way: %q, %s", node, address("m"))
	}
	add(t, table.Replace(nil, ""))
	if len(a.byAddr)+len(a.byNode) > 0 {
		t.Errorf("left behind: %v %v", a.byAddr, a.byNode)
	}
}

func add(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
