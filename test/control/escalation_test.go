package control

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	authv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	release "helm.sh/helm/v4/pkg/release/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	kubeedge "github.com/edgeway-io/edgeway/internal/runtime"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// consoleNamespace is where the console's chart is applied.
const consoleNamespace = "edgeway-system"

// permitted are the steps that an account can take all the same, with the reason.
// docs/SECURITY.md says what follows from each.
var permitted = map[string]map[string]string{
	"kubeedge/cloudcore": {
		"read any Secret": "CloudCore reads the Secrets of edge nodes' pods with its own account (docs/compatibility.md, U02)",
		"list Secrets":    "CloudCore keeps a cache of all Secrets and hands nodes those of their pods (U02)",
	},
	"kubeedge/edge-watcher": {
		"create a pod in edgeway-join": "the probe that proves a join; the namespace enforces Pod Security \"restricted\"",
	},
	"edgeway-system/edgeway": {
		"list Secrets of its own namespace": "member clusters' kubeconfigs are Secrets there; switch it off with members.secrets",
	},
}

// step is one that a thief of an account's token would take. It returns the error of
// the API server.
type step func(c client.Client, kube kubernetes.Interface) error

func steps(t *testing.T, own string) map[string]step {
	ctx := t.Context()
	pod := func(namespace string, change func(*corev1.Pod)) step {
		return func(c client.Client, _ kubernetes.Interface) error {
			no, yes, uid := false, true, int64(65534)
			p := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "thief", Namespace: namespace},
				Spec: corev1.PodSpec{
					NodeName:                     "thief-cloud",
					AutomountServiceAccountToken: &no,
					SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &uid,
						SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
					Containers: []corev1.Container{{Name: "c", Image: "none", SecurityContext: &corev1.SecurityContext{
						AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}}},
				},
			}
			if change != nil {
				change(p)
			}
			return c.Create(ctx, p)
		}
	}
	privileged := func(p *corev1.Pod) {
		yes := true
		p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: &yes}
	}
	out := map[string]step{
		"create a pod in edgeway-join":            pod(v1alpha1.JoinNamespace, nil),
		"create a privileged pod in edgeway-join": pod(v1alpha1.JoinNamespace, privileged),
		"read any Secret": func(c client.Client, _ kubernetes.Interface) error {
			return c.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: "thief-secret"}, &corev1.Secret{})
		},
		"list Secrets": func(c client.Client, _ kubernetes.Interface) error { return c.List(ctx, &corev1.SecretList{}) },
		"list Secrets of its own namespace": func(c client.Client, _ kubernetes.Interface) error {
			return c.List(ctx, &corev1.SecretList{}, client.InNamespace(own))
		},
		"patch a cloud Node": func(c client.Client, _ kubernetes.Interface) error {
			return patchNode(ctx, c, "thief-cloud", `{"metadata":{"labels":{"a":"b"}}}`)
		},
		"patch a cloud Node's status": func(c client.Client, _ kubernetes.Interface) error {
			return patchStatus(ctx, c, "thief-cloud", `{"status":{"phase":"Running"}}`)
		},
		"delete a cloud Node": func(c client.Client, _ kubernetes.Interface) error {
			return c.Delete(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "thief-cloud"}})
		},
		"bind itself to cluster-admin": func(c client.Client, _ kubernetes.Interface) error {
			return c.Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "thief"},
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"}})
		},
		"write a right into a role": func(c client.Client, _ kubernetes.Interface) error {
			role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "edgeway-cloudcore-nodes-0"},
				Rules: []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}}
			return c.Update(ctx, role)
		},
		"take a token of another account": func(_ client.Client, kube kubernetes.Interface) error {
			_, err := kube.CoreV1().ServiceAccounts(v1alpha1.KubeEdgeNamespace).CreateToken(ctx, "iptables-operator", &authv1.TokenRequest{}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err
		},
		"change the program of a Deployment": func(c client.Client, _ kubernetes.Interface) error {
			d := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{
				"name": "thief-deployment", "namespace": v1alpha1.KubeEdgeNamespace}}}
			return c.Patch(ctx, d, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"template":{"spec":{"hostNetwork":true}}}}`)))
		},
	}
	for _, namespace := range []string{v1alpha1.KubeEdgeNamespace, metav1.NamespaceSystem, metav1.NamespaceDefault, consoleNamespace} {
		out["create a pod in "+namespace] = pod(namespace, nil)
		out["create a privileged pod in "+namespace] = pod(namespace, privileged)
	}
	// These have no request that does no harm where it is permitted: the API server is asked.
	for what, a := range map[string]authorizationv1.ResourceAttributes{
		"run a command in a pod":            {Verb: "create", Resource: "pods", Subresource: "exec"},
		"run a command with a WebSocket":    {Verb: "get", Resource: "pods", Subresource: "exec"},
		"attach to a pod":                   {Verb: "create", Resource: "pods", Subresource: "attach"},
		"add a container to a pod":          {Verb: "patch", Resource: "pods", Subresource: "ephemeralcontainers"},
		"forward a port of a pod":           {Verb: "create", Resource: "pods", Subresource: "portforward"},
		"reach a kubelet through the proxy": {Verb: "get", Resource: "nodes", Subresource: "proxy"},
		"run a command through the proxy":   {Verb: "create", Resource: "nodes", Subresource: "proxy"},
		"impersonate an administrator":      {Verb: "impersonate", Resource: "users", Name: "admin"},
		"impersonate group system:masters":  {Verb: "impersonate", Resource: "groups", Name: "system:masters"},
		"impersonate an account":            {Verb: "impersonate", Resource: "serviceaccounts", Name: "default", Namespace: "default"},
		"approve certificates":              {Verb: "update", Group: "certificates.k8s.io", Resource: "certificatesigningrequests", Subresource: "approval"},
		"change admission":                  {Verb: "delete", Group: "admissionregistration.k8s.io", Resource: "validatingadmissionpolicies"},
		"escalate any role":                 {Verb: "escalate", Group: "rbac.authorization.k8s.io", Resource: "clusterroles"},
		"bind any role":                     {Verb: "bind", Group: "rbac.authorization.k8s.io", Resource: "clusterroles"},
		"mint tokens of KubeEdge":           {Verb: "create", Group: v1alpha1.GroupVersion.Group, Resource: "edgeenrollments", Subresource: "token", Namespace: v1alpha1.JoinNamespace},
	} {
		out[what] = func(_ client.Client, kube kubernetes.Interface) error { return mayI(t, kube, a) }
	}
	return out
}

func mayI(t *testing.T, kube kubernetes.Interface, a authorizationv1.ResourceAttributes) error {
	t.Helper()
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &a}}
	answer, err := kube.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !answer.Status.Allowed {
		return apierrors.NewForbidden(corev1.Resource(a.Resource), a.Name, nil)
	}
	return nil
}

// TestNoAccountEscalates takes each account of our charts and tries what a thief of its
// token would try. What an account can do all the same is listed with its reason.
func TestNoAccountEscalates(t *testing.T) {
	accounts := applyConsole(t)
	for _, object := range chartObjects(t) {
		if object.GetKind() == "ServiceAccount" {
			accounts = append(accounts, object.GetNamespace()+"/"+object.GetName())
		}
	}
	slices.Sort(accounts)
	if len(accounts) < 7 {
		t.Fatalf("the charts have the accounts %v, want at least seven", accounts)
	}
	cloud := edgeNode("thief-cloud", "10.0.0.78")
	cloud.Labels = nil
	createNode(t, cloud)
	create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "thief-secret", Namespace: metav1.NamespaceDefault}})
	for _, name := range []string{v1alpha1.KubeEdgeNamespace, v1alpha1.JoinNamespace, metav1.NamespaceSystem, metav1.NamespaceDefault, consoleNamespace} {
		// A pod is refused for its account while that is not there; controllers make it elsewhere.
		create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: name}})
	}
	watcher := client.NewDryRunClient(account(t, v1alpha1.KubeEdgeNamespace, "edge-watcher"))
	inForce(t, "edgeway-edge-nodes", func() error { return patchNode(t.Context(), watcher, "thief-cloud", `{"spec":{"unschedulable":true}}`) })
	inForce(t, "edgeway-cloudcore-nodes", func() error {
		return steps(t, "")["write a right into a role"](watcher, nil)
	})
	for _, name := range accounts {
		t.Run(name, func(t *testing.T) {
			namespace, account, _ := strings.Cut(name, "/")
			thief(t, namespace, account, permitted[name])
		})
	}
	for name := range permitted {
		if !slices.Contains(accounts, name) {
			t.Errorf("account %s is excepted and is not there", name)
		}
	}
}

func thief(t *testing.T, namespace, name string, except map[string]string) {
	config := server.As("system:serviceaccount:"+namespace+":"+name, nil, "system:serviceaccounts", "system:serviceaccounts:"+namespace, "system:authenticated")
	kube := kubernetes.NewForConfigOrDie(config)
	c := client.NewDryRunClient(account(t, namespace, name))
	all := steps(t, namespace)
	// Its own namespace is one of all.
	if except["list Secrets"] != "" {
		delete(all, "list Secrets of its own namespace")
	}
	for _, what := range slices.Sorted(maps.Keys(all)) {
		err := all[what](c, kube)
		_, allowed := except[what]
		if err != nil && apierrors.IsNotFound(err) {
			t.Errorf("%s: %v, so nothing was shown", what, err)
			continue
		}
		outcome(t, what, allowed, err)
	}
	for what := range except {
		if all[what] == nil {
			t.Errorf("%q is excepted and nobody tries it", what)
		}
	}
}

func chartObjects(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	s := settings.Default(settings.NodePort)
	s.CloudHub.AdvertiseAddress = []string{"203.0.113.7"}
	manifest, err := kubeedge.Render(s, "v1.36.3")
	if err != nil {
		t.Fatal(err)
	}
	return decoded(t, manifest)
}

func decoded(t *testing.T, manifest string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, doc := range bytes.Split([]byte("\n"+manifest), []byte("\n---\n")) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(doc, &object.Object); err != nil {
			t.Fatalf("%v in:\n%s", err, doc)
		}
		if object.Object != nil {
			out = append(out, object)
		}
	}
	return out
}

// applyConsole creates what the console's chart says about rights, and returns its
// accounts.
func applyConsole(t *testing.T) []string {
	t.Helper()
	chart, err := loader.LoadDir("../../charts/edgeway")
	if err != nil {
		t.Fatal(err)
	}
	install := action.NewInstall(action.NewConfiguration())
	install.DryRunStrategy, install.ReleaseName, install.Namespace = action.DryRunClient, "edgeway", consoleNamespace
	if install.KubeVersion, err = common.ParseKubeVersion("v1.36.3"); err != nil {
		t.Fatal(err)
	}
	done, err := install.Run(chart, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: consoleNamespace}})
	var accounts []string
	for _, object := range decoded(t, done.(*release.Release).Manifest) {
		if !applied[object.GetKind()] {
			continue
		}
		create(t, object)
		if object.GetKind() == "ServiceAccount" {
			accounts = append(accounts, object.GetNamespace()+"/"+object.GetName())
		}
	}
	return accounts
}
