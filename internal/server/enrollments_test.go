package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubewait "k8s.io/apimachinery/pkg/util/wait"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
)

// A cluster without KubeEdge has no join codes, which is no error; to make one is.
// The console has met our types on "host" before they go, and on "member" it has not.
func TestEnrollmentsWhereKubeEdgeIsAbsent(t *testing.T) {
	m := newBareMatrix(t)
	if err := m.admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.JoinNamespace}}); err != nil {
		t.Fatal(err)
	}
	var rights []Right
	for _, verb := range []string{"list", "create"} {
		rights = append(rights, Right{Group: v1alpha1.GroupVersion.Group, Resource: "edgeenrollments", Verb: verb, Namespace: v1alpha1.JoinNamespace})
	}
	rights = append(rights, Right{Resource: "nodes", Verb: "get"}, Right{Resource: "nodes", Verb: "patch"})
	m.grant(t, "keeper", rights...)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "stock", Labels: map[string]string{v1alpha1.LabelEdge: ""}}}
	if err := m.admin.Create(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	keeper := m.as(t, "keeper")
	empty := func(cluster string) {
		t.Helper()
		res, answer := m.do(http.MethodGet, "/api/v1/clusters/"+cluster+"/enrollments", keeper, "")
		if res.StatusCode != http.StatusOK || strings.TrimSpace(answer) != "[]" {
			t.Errorf("list on %s: %d %s, want 200 and an empty list", cluster, res.StatusCode, answer)
		}
	}
	empty("host")
	m.removeEnrollments(t)
	code, err := enroll.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	if err := enroll.NewRedeemer(m.admin, time.Now).Knows(t.Context(), code); !errors.Is(err, enroll.ErrCodeUnknown) {
		t.Errorf("a code: %v, want %v", err, enroll.ErrCodeUnknown)
	}
	for _, cluster := range []string{"host", "member"} {
		empty(cluster)
		// A node that keadm joined is worked with as ever.
		res, answer := m.do(http.MethodPatch, "/api/v1/clusters/"+cluster+"/nodes/stock/scheduling", keeper, `{"schedulable":false}`)
		if res.StatusCode/100 != 2 {
			t.Errorf("cordon on %s: %d %s", cluster, res.StatusCode, answer)
		}
		path := "/api/v1/clusters/" + cluster + "/enrollments"
		_, body := request(t, "createEnrollment", path, cluster)
		res, answer = m.do(http.MethodPost, path, keeper, body)
		var problem struct{ Code string }
		if err := json.Unmarshal([]byte(answer), &problem); err != nil || res.StatusCode != http.StatusConflict || problem.Code != "NotEnabled" {
			t.Errorf("create on %s: %d %s, want 409 NotEnabled", cluster, res.StatusCode, answer)
		}
	}
}

// removeEnrollments deletes their CRD, and waits until they are not served any more.
func (m *matrix) removeEnrollments(t *testing.T) {
	t.Helper()
	crd := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "edgeenrollments." + v1alpha1.GroupVersion.Group}}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	if err := m.admin.Delete(t.Context(), crd); err != nil {
		t.Fatal(err)
	}
	err := kubewait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		return apierrors.IsNotFound(m.admin.List(ctx, &v1alpha1.EdgeEnrollmentList{})), nil
	})
	if err != nil {
		t.Fatalf("enrollments are still served: %v", err)
	}
}
