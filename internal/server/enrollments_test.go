package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	m.grant(t, "keeper", rights...)
	keeper := m.as(t, "keeper")
	empty := func(cluster string) {
		t.Helper()
		res, answer := m.do(http.MethodGet, "/api/v1/clusters/"+cluster+"/enrollments", keeper, "")
		if res.StatusCode != http.StatusOK || strings.TrimSpace(answer) != "[]" {
			t.Errorf("list on %s: %d %s, want 200 and an empty list", cluster, res.StatusCode, answer)
		}
	}
	empty("host")
	m.removeType(t, "edgeenrollments")
	code, err := enroll.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	if err := enroll.NewRedeemer(m.admin, time.Now).Knows(t.Context(), code); !errors.Is(err, enroll.ErrCodeUnknown) {
		t.Errorf("a code: %v, want %v", err, enroll.ErrCodeUnknown)
	}
	for _, cluster := range []string{"host", "member"} {
		empty(cluster)
		path := "/api/v1/clusters/" + cluster + "/enrollments"
		_, body := request(t, "createEnrollment", path, cluster)
		res, answer := m.do(http.MethodPost, path, keeper, body)
		var problem struct{ Code string }
		if err := json.Unmarshal([]byte(answer), &problem); err != nil || res.StatusCode != http.StatusConflict || problem.Code != "NotEnabled" {
			t.Errorf("create on %s: %d %s, want 409 NotEnabled", cluster, res.StatusCode, answer)
		}
	}
}

// removeType deletes a CRD of ours, and waits until its type is not served any more.
func (m *matrix) removeType(t *testing.T, plural string) {
	t.Helper()
	crd := &unstructured.Unstructured{}
	crd.SetAPIVersion("apiextensions.k8s.io/v1")
	crd.SetKind("CustomResourceDefinition")
	crd.SetName(plural + "." + v1alpha1.GroupVersion.Group)
	if err := m.admin.Delete(t.Context(), crd); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 100 {
		if err = m.admin.List(t.Context(), &v1alpha1.EdgeEnrollmentList{}, client.InNamespace(v1alpha1.JoinNamespace)); apierrors.IsNotFound(err) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s are still served: %v", plural, err)
}
