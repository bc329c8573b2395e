package charts_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	release "helm.sh/helm/v4/pkg/release/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/test/apiserver"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	namespace = "edgeway-system"
	user      = "system:serviceaccount:edgeway-system:edgeway"
)

type values = map[string]any

// variants of the console's chart.
var variants = map[string]values{
	"default": {},
	"everything": {
		"externalURL": "https://console.example", "replicas": 2,
		"image":   values{"registry": "mirror.example/edge/", "digest": "sha256:" + strings.Repeat("0", 64), "pullSecrets": []any{"registry"}},
		"tls":     values{"secretName": "console-tls"},
		"service": values{"type": "NodePort", "nodePort": 30443, "annotations": values{"a": "b"}},
		"members": values{"kubeSphere": true}, "trustedProxies": []any{"10.0.0.7", "fd00::/64"},
		"oidc": values{"issuerURL": "https://issuer.example/realm", "clientID": "edgeway", "name": "Example: all",
			"clientSecret": values{"secretName": "oidc"}, "ca": values{"configMapName": "issuer-ca"},
			"impersonate": true, "impersonateGroups": []any{"oidc:ops"}},
		"networkPolicy": values{"from": []any{values{"ipBlock": values{"cidr": "10.0.0.0/8"}}}},
		"tolerations":   []any{values{"operator": "Exists"}}, "nodeSelector": values{"pool": "system"},
		"podAnnotations": values{"a": "b"}, "extraArgs": []any{"--verbose"},
	},
	"bare": {
		"members": values{"secrets": false}, "joinRedemption": false, "networkPolicy": values{"enabled": false},
		"tls": values{"persistence": values{"enabled": true, "storageClass": "fast"}},
	},
}

func render(t *testing.T, v values) (string, error) {
	t.Helper()
	chart, err := loader.LoadDir("edgeway")
	if err != nil {
		t.Fatal(err)
	}
	install := action.NewInstall(action.NewConfiguration())
	install.DryRunStrategy, install.ReleaseName, install.Namespace = action.DryRunClient, "edgeway", namespace
	if install.KubeVersion, err = common.ParseKubeVersion("v1.36.3"); err != nil {
		t.Fatal(err)
	}
	done, err := install.Run(chart, v)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(done.(*release.Release).Manifest) + "\n", nil
}

func TestConsoleRender(t *testing.T) {
	for name, v := range variants {
		t.Run(name, func(t *testing.T) {
			got, err := render(t, v)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "edgeway-"+name+".yaml")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got), run with -update if it is meant:\n%s", file, diff)
			}
			if len(objects(t, got)) < 4 {
				t.Error("too few objects")
			}
		})
	}
}

func TestConsoleLint(t *testing.T) {
	for name, v := range variants {
		lint := action.NewLint()
		lint.Strict, lint.Namespace = true, namespace
		for _, err := range lint.Run([]string{"edgeway"}, v).Errors {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConsoleChartRefuses(t *testing.T) {
	oidc := func(more values) values {
		out := values{"issuerURL": "https://issuer.example", "clientID": "edgeway"}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	for field, v := range map[string]values{
		"/trustedProxies/0": {"trustedProxies": []any{"proxy.example"}},
		"/externalURL":      {"externalURL": "http://console.example"},
		"/replicas":         {"replicas": 0},
		"/service/port":     {"service": values{"port": 70000}},
		"/service/type":     {"service": values{"type": "ExternalName"}},
		"/image/digest":     {"image": values{"digest": "latest"}},
		"/hostName":         {"hostName": "a/b"},
		"unknown":           {"unknown": 1},
		// null removes a default, which is then off or empty.
		"'usernamePrefix'":                 {"externalURL": "https://a.example", "oidc": oidc(values{"usernamePrefix": nil})},
		"'enabled'":                        {"networkPolicy": values{"enabled": nil}},
		"'joinRedemption'":                 {"joinRedemption": nil},
		"oidc.clientID":                    {"externalURL": "https://a.example", "oidc": values{"issuerURL": "https://issuer.example"}},
		"externalURL is empty":             {"oidc": oidc(nil)},
		"/oidc/issuerURL":                  {"externalURL": "https://a.example", "oidc": oidc(values{"issuerURL": "http://issuer.example"})},
		"/oidc/impersonateGroups":          {"externalURL": "https://a.example", "oidc": oidc(values{"impersonateGroups": []any{"system:masters"}})},
		"/oidc/usernamePrefix":             {"externalURL": "https://a.example", "oidc": oidc(values{"usernamePrefix": "system:"})},
		"oidc.impersonate":                 {"oidc": values{"impersonate": true}},
		"tls.secretName is empty":          {"replicas": 2},
		"tls.persistence.enabled":          {"replicas": 2, "tls": values{"persistence": values{"enabled": true}}},
		"/extraArgs":                       {"extraArgs": []any{"rm"}},
		"/members/secrets":                 {"members": values{"secrets": "yes"}},
		"/tls/persistence/size":            {"tls": values{"persistence": values{"size": "much"}}},
		"/networkPolicy/from":              {"networkPolicy": values{"from": "all"}},
		"/oidc/clientSecret/secretName":    {"oidc": values{"clientSecret": values{"secretName": "A_B"}}},
		"/tolerations":                     {"tolerations": values{"operator": "Exists"}},
		"additional properties 'backdoor'": {"oidc": values{"backdoor": true}},
	} {
		if _, err := render(t, v); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// objects decodes strictly: a field that Kubernetes does not know fails the test.
func objects(t *testing.T, manifest string) []runtime.Object {
	t.Helper()
	codec := serializer.NewCodecFactory(clientgoscheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	var out []runtime.Object
	for _, doc := range bytes.Split([]byte("\n"+manifest), []byte("\n---\n")) {
		if len(bytes.TrimSpace(doc)) == 0 {
			continue
		}
		object, _, err := codec.Decode(doc, nil, nil)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, doc)
		}
		out = append(out, object)
	}
	return out
}

// TestConsoleOnAnAPIServer creates what each variant renders, validated strictly by
// Kubernetes, and asks what the console's ServiceAccount may then do.
func TestConsoleOnAnAPIServer(t *testing.T) {
	server := apiserver.ForTest(t, apiserver.Options{})
	admin, err := client.New(server.Config, client.Options{Scheme: clientgoscheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{namespace, "edgeway-join", "other"} {
		if err := admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	strict := client.WithFieldValidation(admin, metav1.FieldValidationStrict)
	for name, v := range variants {
		manifest, err := render(t, v)
		if err != nil {
			t.Fatal(err)
		}
		var made []client.Object
		for _, object := range objects(t, manifest) {
			made = append(made, create(t, strict, name, object))
		}
		checkRights(t, name, server.As(user, nil, "system:serviceaccounts", "system:serviceaccounts:"+namespace, "system:authenticated"))
		for _, object := range made {
			if err := admin.Delete(t.Context(), object, client.GracePeriodSeconds(0)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func create(t *testing.T, c client.Client, variant string, object runtime.Object) client.Object {
	t.Helper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	delete(fields, "status")
	u := &unstructured.Unstructured{Object: fields}
	if err := c.Create(t.Context(), u); err != nil {
		t.Fatalf("%s: %s %s: %v", variant, u.GetKind(), u.GetName(), err)
	}
	return u
}

// right is one thing that somebody may want to do.
type right struct{ group, resource, subresource, verb, namespace, name string }

func (r right) String() string {
	return strings.Join([]string{r.group, r.resource, r.subresource, r.verb, r.namespace, r.name}, " ")
}

// TestConsoleOnAnAPIServer's table: the variants in which the ServiceAccount has it.
var rights = map[right][]string{
	{resource: "secrets", verb: "list", namespace: namespace}:                                                           {"default", "everything"},
	{resource: "secrets", verb: "get", namespace: namespace, name: "oidc"}:                                              nil,
	{resource: "secrets", verb: "list", namespace: "other"}:                                                             nil,
	{resource: "secrets", verb: "list"}:                                                                                 nil,
	{resource: "secrets", verb: "create", namespace: namespace}:                                                         nil,
	{group: "edgeway.io", resource: "edgeenrollments", verb: "list", namespace: "edgeway-join"}:                         {"default", "everything"},
	{group: "edgeway.io", resource: "edgeenrollments", subresource: "status", verb: "patch", namespace: "edgeway-join"}: {"default", "everything"},
	{group: "edgeway.io", resource: "edgeenrollments", verb: "create", namespace: "edgeway-join"}:                       nil,
	{group: "edgeway.io", resource: "edgeenrollments", verb: "update", namespace: "edgeway-join"}:                       nil,
	{group: "edgeway.io", resource: "memberclusters", verb: "use", name: "west"}:                                        nil,
	{group: "cluster.kubesphere.io", resource: "clusters", verb: "list"}:                                                {"everything"},
	{group: "cluster.kubesphere.io", resource: "clusters", verb: "update"}:                                              nil,
	{resource: "users", verb: "impersonate", name: "ann"}:                                                               {"everything"},
	{resource: "groups", verb: "impersonate", name: "oidc:ops"}:                                                         {"everything"},
	{resource: "groups", verb: "impersonate", name: "system:masters"}:                                                   nil,
	{resource: "serviceaccounts", verb: "impersonate", namespace: "kube-system", name: "x"}:                             nil,
	{resource: "serviceaccounts", subresource: "token", verb: "create", namespace: "kube-system"}:                       nil,
	{resource: "nodes", verb: "list"}:                                                                                   nil,
	{resource: "pods", verb: "list", namespace: namespace}:                                                              nil,
	{resource: "configmaps", verb: "list", namespace: namespace}:                                                        nil,
	{group: "*", resource: "*", verb: "*"}:                                                                              nil,
}

func checkRights(t *testing.T, variant string, config *rest.Config) {
	t.Helper()
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for r, in := range rights {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Group: r.group, Resource: r.resource, Subresource: r.subresource, Verb: r.verb, Namespace: r.namespace, Name: r.name},
		}}
		answer, err := kube.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := false
		for _, v := range in {
			want = want || v == variant
		}
		if answer.Status.Allowed != want {
			t.Errorf("%s: may %s: %v, want %v", variant, r, answer.Status.Allowed, want)
		}
	}
}
