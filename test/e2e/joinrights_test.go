//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// joinOperation is one way to join, change or retire an edge node.
type joinOperation struct {
	method, path string
	body         any
}

// joinOperations are all that change something, in an order in which whoever may, can:
// on the spare host's enrollment, and on one that no device has used.
func joinOperations(joined, waiting string, request map[string]any) []joinOperation {
	const node = clusterPath + "/nodes/" + spare
	return []joinOperation{
		{http.MethodPost, clusterPath + "/enrollments", asNode(request, "rights-1", "192.168.100.91")},
		{http.MethodPost, clusterPath + "/enrollment-batches", map[string]any{"format": "csv", "list": "nodeName,nodeIP\nrights-2,192.168.100.92\n", "base": request}},
		{http.MethodPost, clusterPath + "/enrollments/" + waiting + "/token", nil},
		{http.MethodPost, clusterPath + "/enrollments/" + waiting + "/bundle", nil},
		{http.MethodPatch, clusterPath + "/enrollments/" + joined, map[string]any{"state": "Active"}},
		{http.MethodPatch, node + "/metadata", map[string]any{"labels": map[string]any{"site": "berlin"}}},
		{http.MethodPatch, node + "/scheduling", map[string]any{"schedulable": false}},
		{http.MethodPost, node + "/leave", map[string]any{"confirm": spare, "timeoutSeconds": 30, "force": false}},
	}
}

// asNode is the request with another name and address.
func asNode(request map[string]any, name, ip string) map[string]any {
	out := maps.Clone(request)
	out["nodeName"], out["nodeIP"] = name, ip
	return out
}

// TestJoinRights: nobody and a viewer can do nothing of it, an edge operator all of it but
// to make tokens of KubeEdge, and neither that nor any role for a program of the join can read a Secret.
func TestJoinRights(t *testing.T) {
	clean := deviceState(t)
	operator := signIn(t, edgeOperator(t))
	enrollment := createEnrollment(t, operator)
	request := joinRequest(t, operator)
	waiting := enrollNode(t, operator, asNode(request, "rights-0", "192.168.100.90"))
	onHost(t, spare, enrollment.Command)
	waitPhase(t, operator, enrollment.Name, "Verified")
	t.Cleanup(func() {
		for _, name := range []string{"rights-1", "rights-2"} {
			forgetEnrollmentsOf(t, name)
		}
	})
	strangers := map[string]console{"401": site.Nobody(), "403": signIn(t, site.Tokens.Viewer)}
	operations := joinOperations(enrollment.Name, waiting.Name, request)
	for status, who := range strangers {
		for _, o := range operations {
			if err := attempt(t, who, o); err == nil || !strings.Contains(err.Error(), ": "+status+" ") {
				t.Errorf("want %s, got %v for %s %s", status, err, o.method, o.path)
			}
		}
	}
	for _, o := range operations {
		who, name := operator, "the edge operator"
		if strings.HasSuffix(o.path, "/token") {
			// KubeEdge's own token is good for every name: making one is a right of its own.
			if err := attempt(t, operator, o); err == nil || !strings.Contains(err.Error(), ": 403 ") || !strings.Contains(err.Error(), "JoinTokenForbidden") {
				t.Errorf("the edge operator makes a token of KubeEdge: %v", err)
			}
			who, name = signIn(t, site.Tokens.Admin), "the administrator"
		}
		if err := attempt(t, who, o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The bundle has spent the code, and its key is nowhere else.
	if err := attempt(t, operator, joinOperation{http.MethodPost, clusterPath + "/enrollments/" + waiting.Name + "/bundle", nil}); err == nil || !strings.Contains(err.Error(), "BundleUnavailable") {
		t.Errorf("a second bundle of one enrollment: %v", err)
	}
	waitGone(t, spare)
	onHost(t, spare, "edgectl leave")
	nothingLeft(t, clean)
	if err := operator.Call(http.MethodPatch, clusterPath+"/nodes/jetson-xavier/scheduling", map[string]any{"schedulable": false}, nil); err == nil || !strings.Contains(err.Error(), ": 403 ") {
		t.Errorf("the edge operator cordons a node that has no enrollment: %v", err)
	}
}

// attempt gives what comes of it, where that takes a while, too.
func attempt(t *testing.T, who console, o joinOperation) error {
	t.Helper()
	text, err := who.Fetch(o.method, o.path, o.body)
	var operation struct {
		ID    string
		Done  bool
		Error *struct{ Code, Message string }
	}
	if err != nil || !strings.HasSuffix(o.path, "/leave") {
		return err
	}
	if err := json.Unmarshal(text, &operation); err != nil {
		return err
	}
	eventually(t, time.Minute, func() error {
		err := who.Call(http.MethodGet, clusterPath+"/operations/"+operation.ID, nil, &operation)
		if err == nil && !operation.Done {
			err = fmt.Errorf("%s %s goes on", o.method, o.path)
		}
		return err
	})
	switch {
	case operation.Error == nil:
		return nil
	case operation.Error.Code == "Forbidden":
		return fmt.Errorf("%s %s: 403 %s", o.method, o.path, operation.Error.Message)
	default:
		return fmt.Errorf("%s %s: %s: %s", o.method, o.path, operation.Error.Code, operation.Error.Message)
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

// forgetEnrollmentsOf deletes what a test left under a node's name.
func forgetEnrollmentsOf(t *testing.T, node string) {
	t.Helper()
	names := mustKubectl(t, "-n", "edgeway-join", "get", "edgeenrollments", "-o", `jsonpath={range .items[?(@.spec.nodeName=="`+node+`")]}{.metadata.name} {end}`)
	for name := range strings.FieldsSeq(names) {
		mustKubectl(t, "-n", "edgeway-join", "delete", "edgeenrollment", name)
	}
}
