package server

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// nodeNames are those of the list, and the status of the answer.
func (m *matrix) nodeNames(t *testing.T, cookie, role string) (map[string]int, int) {
	t.Helper()
	res, body := m.do("GET", "/api/v1/clusters/host/nodes?role="+role, cookie, "")
	if res.StatusCode != http.StatusOK {
		return nil, res.StatusCode
	}
	var list NodeList
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	names := map[string]int{}
	for _, n := range list.Nodes {
		names[n.Name] = -1
		if n.Pods != nil {
			names[n.Name] = n.Pods.Total
		}
	}
	return names, res.StatusCode
}

// eventually asks again, as a page does.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// The node list is watched while somebody looks, and no right that is taken away is
// outlived by what was watched.
func TestTheNodeListIsWatched(t *testing.T) {
	m := newMatrix(t)
	m.grant(t, "looker", Right{Verb: "list", Resource: "nodes"}, Right{Verb: "watch", Resource: "nodes"},
		Right{Verb: "list", Resource: "pods"}, Right{Verb: "watch", Resource: "pods"})
	cookie := m.as(t, "looker")
	watched := func() bool {
		for _, s := range m.srv.sessions.live() {
			s.mu.Lock()
			c := s.clients["host"]
			s.mu.Unlock()
			if c == nil {
				continue
			}
			if _, ok := c.lists.nodes.Rows(); ok {
				_, ok = c.lists.pods.Rows()
				return ok
			}
		}
		return false
	}
	before, status := m.nodeNames(t, cookie, "all")
	if status != http.StatusOK {
		t.Fatalf("the list answers %d", status)
	}
	eventually(t, "the list is watched", watched)
	edge := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "watched", Labels: map[string]string{v1alpha1.LabelEdge: ""}}}
	if err := m.admin.Create(t.Context(), edge); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "on-it", Namespace: "default"},
		Spec: corev1.PodSpec{NodeName: edge.Name, Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: "default"}}
	for _, o := range []client.Object{account, pod} {
		if err := m.admin.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "a new node and its pod are in the list", func() bool { names, _ := m.nodeNames(t, cookie, "all"); return names["watched"] == 1 })
	if !watched() {
		t.Error("the list was not watched all the time")
	}
	if names, _ := m.nodeNames(t, cookie, "all"); len(names) != len(before)+1 {
		t.Errorf("there are %v, before there were %v", names, before)
	}
	if names, _ := m.nodeNames(t, cookie, "cloud"); names["watched"] != 0 {
		t.Error("an edge node is among the cloud nodes")
	}
	if err := m.admin.Delete(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "looker-0"}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "who may list nodes no more gets no list", func() bool { _, status := m.nodeNames(t, cookie, "all"); return status == http.StatusForbidden })
}
