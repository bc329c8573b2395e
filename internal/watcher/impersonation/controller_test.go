package impersonation

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

func enrollment(node string, phase v1alpha1.EnrollmentPhase, state v1alpha1.EnrollmentState) *v1alpha1.EdgeEnrollment {
	return &v1alpha1.EdgeEnrollment{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.JoinNamespace, Name: "e-" + node},
		Spec:       v1alpha1.EdgeEnrollmentSpec{NodeName: node, State: state},
		Status:     v1alpha1.EdgeEnrollmentStatus{Phase: phase},
	}
}

// TestRoles: together the roles name every edge node and every device that may join,
// each once, and nobody else.
func TestRoles(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	objects := []client.Object{
		enrollment("joining", v1alpha1.PhasePending, v1alpha1.StateActive),
		enrollment("signed", v1alpha1.PhaseCertificateIssued, v1alpha1.StateActive),
		enrollment("edge-1", v1alpha1.PhaseVerified, v1alpha1.StateActive),
		enrollment("let-in-again", v1alpha1.PhaseRetired, v1alpha1.StateActive),
		enrollment("undecided", "", v1alpha1.StateActive),
		enrollment("refused", v1alpha1.PhaseRefused, v1alpha1.StateActive),
		enrollment("expired", v1alpha1.PhaseExpired, v1alpha1.StateActive),
		enrollment("revoked", v1alpha1.PhaseCertificateIssued, v1alpha1.StateRevoked),
		enrollment("retired", v1alpha1.PhaseRetired, v1alpha1.StateRetired),
	}
	for shard := range Shards {
		objects = append(objects, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: roleName(shard)}})
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
	edge := []string{"edge-1", "edge-2"}
	r := &Reconciler{client: c, live: c, edgeNodes: func(f func(string)) {
		for _, n := range edge {
			f(n)
		}
	}}
	read := func() map[string]int {
		t.Helper()
		users := map[string]int{}
		for shard := range Shards {
			if _, err := r.Reconcile(t.Context(), request(shard)); err != nil {
				t.Fatal(err)
			}
			var role rbacv1.ClusterRole
			if err := c.Get(t.Context(), client.ObjectKey{Name: roleName(shard)}, &role); err != nil {
				t.Fatal(err)
			}
			for _, rule := range role.Rules {
				if len(rule.ResourceNames) == 0 {
					t.Errorf("%s has a rule for every user: %+v", role.Name, rule)
				}
				for _, user := range rule.ResourceNames {
					users[user]++
				}
			}
		}
		return users
	}
	want := map[string]int{"system:node:joining": 1, "system:node:signed": 1, "system:node:edge-1": 1, "system:node:edge-2": 1, "system:node:let-in-again": 1}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	edge = edge[:1]
	delete(want, "system:node:edge-2")
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("users after edge-2 is gone (-want +got):\n%s", diff)
	}
}

// TestShards: many nodes spread over all roles.
func TestShards(t *testing.T) {
	count := map[int]int{}
	for i := range 8000 {
		count[shardOf(fmt.Sprintf("edge-%05d", i))]++
	}
	for shard := range Shards {
		if n := count[shard]; n < 500 || n > 2000 {
			t.Errorf("role %d has %d of 8000 nodes", shard, n)
		}
	}
}
