package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/test/apiserver"
)

// A cluster without KubeEdge has no join codes, which is no error; to make one is.
func TestEnrollmentsWhereKubeEdgeIsAbsent(t *testing.T) {
	m := newBareMatrix(t, apiserver.Options{NoCRDs: true})
	if err := m.admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.JoinNamespace}}); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"list", "create"} {
		m.grant(t, verb, Right{Group: v1alpha1.GroupVersion.Group, Resource: "edgeenrollments", Verb: verb, Namespace: v1alpha1.JoinNamespace})
	}
	path := "/api/v1/clusters/member/enrollments"
	res, answer := m.do(http.MethodGet, path, m.as(t, "list"), "")
	if res.StatusCode != http.StatusOK || strings.TrimSpace(answer) != "[]" {
		t.Errorf("list: %d %s, want 200 and an empty list", res.StatusCode, answer)
	}
	_, body := request(t, "createEnrollment", path, "member")
	res, answer = m.do(http.MethodPost, path, m.as(t, "create"), body)
	var problem struct{ Code string }
	if err := json.Unmarshal([]byte(answer), &problem); err != nil || res.StatusCode != http.StatusConflict || problem.Code != "NotEnabled" {
		t.Errorf("create: %d %s, want 409 NotEnabled", res.StatusCode, answer)
	}
}
