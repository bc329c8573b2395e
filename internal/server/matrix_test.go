package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/limit"
	"github.com/edgeway-io/edgeway/internal/oidc"
	"github.com/edgeway-io/edgeway/internal/oidc/oidctest"
	"github.com/edgeway-io/edgeway/internal/settings"
	"github.com/edgeway-io/edgeway/test/apiserver"
)

// canary is in everything on the cluster that a user without rights must not see.
const canary = "canary"

// matrix is a console whose two clusters are one real API server: "host", where users
// act with their own tokens, and "member", where the console impersonates them. Its
// stored credentials have all rights on both.
type matrix struct {
	*console
	issuer *oidctest.Issuer
	admin  client.Client
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := newBareMatrix(t)
	m.populate(t)
	return m
}

// newBareMatrix is one with nothing on its cluster.
func newBareMatrix(t *testing.T) *matrix {
	t.Helper()
	issuer := oidctest.Start(t, "nobody")
	server := apiserver.ForTest(t, apiserver.Options{ServerArgs: []string{
		"--oidc-issuer-url=" + issuer.URL, "--oidc-client-id=" + oidctest.ClientID, "--oidc-ca-file=" + issuer.CAFile,
		"--oidc-username-claim=sub", "--oidc-username-prefix=oidc:", "--oidc-groups-claim=groups", "--oidc-groups-prefix=oidc:",
	}})
	admin, err := NewObjectClient(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	m := &matrix{issuer: issuer, admin: admin}
	m.console = newConsole(t, newFakeCluster(t), func(cfg *Config) {
		cfg.Now = time.Now
		cfg.Clusters, cfg.KubeEdge = twoContexts(t, server), NewKubeEdge(cfg.Log)
		p, err := oidc.New(oidc.Config{IssuerURL: issuer.URL, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret,
			RedirectURL: "https://console.example" + OIDCPath, CAFile: issuer.CAFile})
		if err != nil {
			t.Fatal(err)
		}
		cfg.OIDC = &OIDC{Provider: p, Name: "Example"}
	})
	m.srv.signIns = signInLimits{source: limit.NewRates(nil, 1000, 1000), token: limit.NewRates(nil, 1000, 1000)}
	return m
}

// twoContexts names one server twice, with credentials that may do everything.
func twoContexts(t *testing.T, server *apiserver.Server) *clusters.Kubeconfig {
	t.Helper()
	config, err := clientcmd.LoadFromFile(server.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range config.Contexts {
		config.Contexts["host"], config.Contexts["member"] = c.DeepCopy(), c.DeepCopy()
	}
	for name := range config.Contexts {
		if name != "host" && name != "member" {
			delete(config.Contexts, name)
		}
	}
	config.CurrentContext = "host"
	return clustersOf(t, config)
}

// populate writes what the operations are tried on.
func (m *matrix) populate(t *testing.T) {
	t.Helper()
	labels := map[string]string{v1alpha1.LabelEdge: "", canary: canary}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.JoinNamespace}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "web"}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: "web"}},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "edge-1", Labels: labels}},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "web", Labels: labels},
			Spec: corev1.PodSpec{NodeName: "edge-1", Containers: []corev1.Container{{Name: "c", Image: canary}}}},
		&v1alpha1.EdgeEnrollment{ObjectMeta: metav1.ObjectMeta{Name: "edge-1", Namespace: v1alpha1.JoinNamespace, Labels: map[string]string{canary: canary}},
			Spec: v1alpha1.EdgeEnrollmentSpec{NodeName: "edge-1", NodeIP: "192.168.100.1", Arch: "amd64", State: v1alpha1.StateActive,
				CodeHash: strings.Repeat("0", 64), Lifetime: &metav1.Duration{Duration: time.Hour},
				CloudCore: v1alpha1.CloudCoreAddress{Host: "203.0.113.7", WebSocketPort: 10000, CertPort: 10002, TunnelPort: 10004}}},
	} {
		if err := m.admin.Create(t.Context(), object); err != nil {
			t.Fatalf("%T %s: %v", object, object.GetName(), err)
		}
	}
}

// grant gives the OIDC user rights.
func (m *matrix) grant(t *testing.T, user string, rights ...Right) {
	t.Helper()
	for i, r := range rights {
		name := fmt.Sprintf("%s-%d", user, i)
		resource := r.Resource
		if r.Subresource != "" {
			resource += "/" + r.Subresource
		}
		rules := []rbacv1.PolicyRule{{APIGroups: []string{r.Group}, Resources: []string{resource}, Verbs: []string{r.Verb}}}
		subjects := []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "oidc:" + user}}
		meta := metav1.ObjectMeta{Name: name, Namespace: strings.ReplaceAll(r.Namespace, "{namespace}", "web")}
		objects := []client.Object{
			&rbacv1.Role{ObjectMeta: meta, Rules: rules},
			&rbacv1.RoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}},
		}
		if r.Namespace == "" {
			objects = []client.Object{
				&rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules},
				&rbacv1.ClusterRoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}},
			}
		}
		for _, object := range objects {
			if err := m.admin.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// as signs the OIDC user in. A new API server needs a moment to find the issuer.
func (m *matrix) as(t *testing.T, user string) string {
	t.Helper()
	m.issuer.Set(oidctest.Subject(user))
	to := ""
	for range 120 {
		address, cookie := m.start("")
		var session string
		if to, session = m.finish(m.issuer.Visit(address), cookie); session != "" {
			return session
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Fatalf("%s cannot sign in: sent to %q\n%s", user, to, m.log)
	return ""
}

// request is a valid one of an operation.
func request(t *testing.T, id, path, cluster string) (string, string) {
	t.Helper()
	for hole, value := range map[string]string{"{cluster}": cluster, "{node}": "edge-1", "{namespace}": "web", "{pod}": "p", "{enrollment}": "edge-1"} {
		path = strings.ReplaceAll(path, hole, value)
	}
	body := "{}"
	encode := func(v any) {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		body = string(raw)
	}
	switch id {
	case "applyKubeEdge", "planKubeEdge":
		s := settings.Default(settings.NodePort)
		s.CloudHub.AdvertiseAddress = []string{"203.0.113.7"}
		encode(s)
	case "createEnrollment":
		r := proposal()
		r.NodeName, r.NodeIP = "edge-2", "192.168.100.2"
		r.CloudCore = JoinCloudCore{Host: "203.0.113.7", WebSocketPort: 10000, CertPort: 10002, TunnelPort: 10004}
		encode(r)
	case "createEnrollments":
		r := proposal()
		r.CloudCore = JoinCloudCore{Host: "203.0.113.7", WebSocketPort: 10000, CertPort: 10002, TunnelPort: 10004}
		encode(BatchRequest{Format: "csv", List: "nodeName,nodeIP\nedge-3,192.168.100.3\nedge-4,192.168.100.4\n", Base: r})
	case "setEnrollmentState":
		body = `{"state":"Cordoned"}`
	case "setNodeScheduling":
		body = `{"schedulable":false}`
	case "setNodeMetadata":
		body = `{"labels":{"site":"berlin"}}`
	case "leaveNode":
		body = `{"confirm":"edge-1","timeoutSeconds":0,"force":false}`
	}
	return concretePath(path), body
}

// outcome of a request: the status, or that of the operation that it began.
func (m *matrix) outcome(t *testing.T, method, path, cookie, body string) (int, string) {
	t.Helper()
	res, answer := m.do(method, path, cookie, body)
	var o OperationState
	if res.StatusCode != http.StatusAccepted || json.Unmarshal([]byte(answer), &o) != nil {
		return res.StatusCode, answer
	}
	one, err := m.srv.operations.find(o.ID)
	if err != nil {
		t.Fatal(err)
	}
	for {
		state, changed := one.snapshot()
		if state.Error != nil {
			return state.Error.status, state.Error.Error()
		}
		if state.Done || len(state.Steps) > 0 && state.Steps[0].Name != "cordon" {
			return res.StatusCode, answer // it is past the question of rights
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatal("the operation does not end")
		}
	}
}

// TestMatrix walks the OpenAPI document as users who have nothing, everything that a
// viewer has, and exactly what a change is documented to need, on both clusters.
func TestMatrix(t *testing.T) {
	m := newMatrix(t)
	m.grant(t, "viewer", Right{Verb: "get", Group: "*", Resource: "*"}, Right{Verb: "list", Group: "*", Resource: "*"}, Right{Verb: "watch", Group: "*", Resource: "*"})
	nobody, viewer := m.as(t, "nobody"), m.as(t, "viewer")
	writes := 0
	for path, methods := range documented(t, m.srv) {
		for method, o := range methods {
			if publicOperations[o.OperationID] || o.OperationID == "signOut" {
				continue
			}
			for _, cluster := range []string{"host", "member"} {
				at, body := request(t, o.OperationID, path, cluster)
				if method == http.MethodGet {
					if status, answer := m.outcome(t, method, at, nobody, ""); strings.Contains(answer, canary) || status >= 500 {
						t.Errorf("nobody: %s %s: %d %s", method, at, status, answer)
					}
					continue
				}
				writes++
				for user, cookie := range map[string]string{"nobody": nobody, "viewer": viewer} {
					if status, answer := m.outcome(t, method, at, cookie, body); status != http.StatusForbidden {
						t.Errorf("%s: %s %s: %d %s", user, method, at, status, answer)
					}
				}
			}
			if rights, ok := writeRights[o.OperationID]; method != http.MethodGet && (!ok || len(rights) == 0) {
				t.Errorf("%s changes something and documents no right", o.OperationID)
			}
		}
	}
	if writes < 14 {
		t.Errorf("walked %d changes, want all on both clusters", writes)
	}
	m.documentedRightsSuffice(t)
}

// documentedRightsSuffice leaves out the changes for cluster-admins, which the site's
// tests make, and those that end what the next ones need come last.
func (m *matrix) documentedRightsSuffice(t *testing.T) {
	paths := map[string][2]string{}
	for path, methods := range documented(t, m.srv) {
		for method, o := range methods {
			paths[o.OperationID] = [2]string{method, path}
		}
	}
	order := []string{"createEnrollment", "setNodeScheduling", "setEnrollmentState", "deletePod", "leaveNode"}
	for id, rights := range writeRights {
		if len(rights) > 0 && rights[0].Resource != "*" && !slices.Contains(order, id) {
			order = slices.Insert(order, 0, id)
		}
	}
	for _, id := range order {
		m.eachIsNeeded(t, id, paths[id])
		user := strings.ToLower(id)
		m.grant(t, user, writeRights[id]...)
		at, body := request(t, id, paths[id][1], "member")
		if status, answer := m.outcome(t, paths[id][0], at, m.as(t, user), body); status == http.StatusForbidden || status >= 500 {
			t.Errorf("%s with its documented rights: %d %s", id, status, answer)
		}
	}
	m.grant(t, "admin", clusterAdmin...)
	admin := m.as(t, "admin")
	at, body := request(t, "planKubeEdge", paths["planKubeEdge"][1], "host")
	if status, answer := m.outcome(t, "POST", at, admin, body); status != http.StatusOK {
		t.Errorf("admin's plan: %d %s", status, answer)
	}
}

// eachIsNeeded leaves out one of a change's rights after the other.
func (m *matrix) eachIsNeeded(t *testing.T, id string, at [2]string) {
	t.Helper()
	for i, missing := range writeRights[id] {
		user := fmt.Sprintf("%s-without-%d", strings.ToLower(id), i)
		m.grant(t, user, slices.Delete(slices.Clone(writeRights[id]), i, i+1)...)
		path, body := request(t, id, at[1], "host")
		if status, answer := m.outcome(t, at[0], path, m.as(t, user), body); status != http.StatusForbidden {
			t.Errorf("%s without %+v: %d %s", id, missing, status, answer)
		}
	}
}

// TestRightsAreInTheDocument: pages and people read them there.
func TestRightsAreInTheDocument(t *testing.T) {
	raw, err := os.ReadFile("../../web/src/api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(raw), extensionRights); n != len(writeRights) {
		t.Errorf("%d operations name their rights, want %d", n, len(writeRights))
	}
}
