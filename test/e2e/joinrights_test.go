//go:build e2e

package e2e

import (
	"net/http"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// joinOperation is one way to join, change or retire an edge node.
type joinOperation struct {
	method, path string
	body         any
}

// joinOperations are all that change something, in an order in which whoever may, can.
func joinOperations(enrolment string, request map[string]any) []joinOperation {
	const node = clusterPath + "/nodes/" + spare
	one := clusterPath + "/enrollments/" + enrolment
	other := map[string]any{}
	for k, v := range request {
		other[k] = v
	}
	other["nodeName"], other["nodeIP"] = "rights-1", "192.168.100.91"
	return []joinOperation{
		{http.MethodPost, clusterPath + "/enrollments", other},
		{http.MethodPost, clusterPath + "/enrollment-batches", map[string]any{"format": "csv", "list": "nodeName,nodeIP\nrights-2,192.168.100.92\n", "base": request}},
		{http.MethodPost, one + "/token", nil},
		{http.MethodPost, one + "/bundle", nil},
		{http.MethodPatch, one, map[string]any{"state": "Active"}},
		{http.MethodPatch, node + "/metadata", map[string]any{"labels": map[string]any{"site": "berlin"}}},
		{http.MethodPatch, node + "/scheduling", map[string]any{"schedulable": false}},
		{http.MethodPost, node + "/leave", map[string]any{"confirm": spare, "timeoutSeconds": 30, "force": false}},
	}
}

// TestJoinRights: nobody and a viewer can do nothing of it, an edge operator all of it,
// and neither that nor any role for a program of the join can read a Secret.
func TestJoinRights(t *testing.T) {
	clean := deviceState(t)
	operator := signIn(t, edgeOperator(t))
	enrolment := createEnrolment(t, operator)
	request := joinRequest(t, operator)
	onHost(t, spare, enrolment.Command)
	waitPhase(t, operator, enrolment.Name, "Verified")
	t.Cleanup(func() {
		for _, name := range []string{"rights-1", "rights-2"} {
			forgetEnrolmentsOf(t, name)
		}
	})
	strangers := map[string]console{"401": {http: insecureClient(), url: site.Console.URL}, "403": signIn(t, site.Tokens.Viewer)}
	for status, who := range strangers {
		for _, o := range joinOperations(enrolment.Name, request) {
			if err := who.call(o.method, o.path, o.body, nil); err == nil || !strings.Contains(err.Error(), ": "+status+" ") {
				t.Errorf("want %s, got %v for %s %s", status, err, o.method, o.path)
			}
		}
	}
	for _, o := range joinOperations(enrolment.Name, request) {
		if _, err := operator.fetch(o.method, o.path, o.body); err != nil {
			t.Errorf("the edge operator: %v", err)
		}
	}
	waitGone(t)
	onHost(t, spare, "edgectl leave")
	nothingLeft(t, clean)
	if err := operator.call(http.MethodPatch, clusterPath+"/nodes/jetson-xavier/scheduling", map[string]any{"schedulable": false}, nil); err == nil || !strings.Contains(err.Error(), ": 403 ") {
		t.Errorf("the edge operator cordons a node that has no enrolment: %v", err)
	}
}

// edgeOperator gives the token of somebody with ClusterRole edgeway-edge-operator in
// edgeway-join and the right to look at nodes, and looks for rights on Secrets.
func edgeOperator(t *testing.T) string {
	t.Helper()
	const name = "operator-for-test"
	cleanup := func() {
		mustKubectl(t, "delete", "--ignore-not-found", "clusterrole/"+name, "clusterrolebinding/"+name)
		mustKubectl(t, "-n", "edgeway-join", "delete", "--ignore-not-found", "serviceaccount/"+name, "rolebinding/"+name)
	}
	cleanup()
	t.Cleanup(cleanup)
	account := "--serviceaccount=edgeway-join:" + name
	mustKubectl(t, "-n", "edgeway-join", "create", "serviceaccount", name)
	mustKubectl(t, "-n", "edgeway-join", "create", "rolebinding", name, "--clusterrole=edgeway-edge-operator", account)
	mustKubectl(t, "create", "clusterrole", name, "--verb=get,list", "--resource=nodes")
	mustKubectl(t, "create", "clusterrolebinding", name, "--clusterrole="+name, account)
	for _, user := range []string{name, "edgeway-redeemer"} {
		wantNoSecrets(t, "system:serviceaccount:edgeway-join:"+user)
	}
	return strings.TrimSpace(mustKubectl(t, "-n", "edgeway-join", "create", "token", name))
}

func wantNoSecrets(t *testing.T, user string) {
	t.Helper()
	reviews := site.Client(t).AuthorizationV1().SubjectAccessReviews()
	for _, namespace := range []string{"", "default", "edgeway-join", "kube-system", "kubeedge"} {
		for _, verb := range []string{"get", "list", "watch"} {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User:               user,
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Resource: "secrets"},
			}}
			answer, err := reviews.Create(t.Context(), review, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if answer.Status.Allowed {
				t.Errorf("%s may %s secrets in namespace %q", user, verb, namespace)
			}
		}
	}
}

// forgetEnrolmentsOf deletes what a test left under a node's name.
func forgetEnrolmentsOf(t *testing.T, node string) {
	t.Helper()
	names := mustKubectl(t, "-n", "edgeway-join", "get", "edgeenrollments", "-o", `jsonpath={range .items[?(@.spec.nodeName=="`+node+`")]}{.metadata.name} {end}`)
	for name := range strings.FieldsSeq(names) {
		mustKubectl(t, "-n", "edgeway-join", "delete", "edgeenrollment", name)
	}
}
