package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
)

// account acts as a ServiceAccount of ours.
func account(t *testing.T, namespace, name string) client.Client {
	t.Helper()
	config := server.As("system:serviceaccount:"+namespace+":"+name, nil, "system:serviceaccounts", "system:serviceaccounts:"+namespace, "system:authenticated")
	c, err := client.New(config, client.Options{Scheme: admin.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func patchNode(ctx context.Context, c client.Client, name, body string) error {
	return c.Patch(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, client.RawPatch(types.MergePatchType, []byte(body)))
}

func patchStatus(ctx context.Context, c client.Client, name, body string) error {
	return c.Status().Patch(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, client.RawPatch(types.StrategicMergePatchType, []byte(body)))
}

// outcome compares whether a request was refused with whether it should be.
func outcome(t *testing.T, what string, allowed bool, err error) {
	t.Helper()
	switch {
	case allowed && err != nil:
		t.Errorf("%s: refused: %v", what, err)
	case !allowed && err == nil:
		t.Errorf("%s: allowed", what)
	case !allowed && !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err):
		t.Errorf("%s: %v, want a refusal", what, err)
	}
}

// inForce waits until a policy refuses what it is to refuse: the API server takes a
// policy in a moment after it was created.
func inForce(t *testing.T, policy string, refused func() error) {
	t.Helper()
	eventually(t, "policy "+policy+" is in force", func() error {
		if err := refused(); err == nil || !strings.Contains(err.Error(), policy) {
			return fmt.Errorf("a request that it refuses: %v", err)
		}
		return nil
	})
}

const edgeLabel = `"node-role.kubernetes.io/edge":`

// TestNodesAreBounded is the table of what edge-watcher and CloudCore may change on which
// Node.
func TestNodesAreBounded(t *testing.T) {
	cloud := edgeNode("bound-cloud", "10.0.0.77")
	cloud.Labels, cloud.Spec.ProviderID = nil, "cloud://77"
	createNode(t, cloud)
	fresh := edgeNode("bound-fresh", "192.168.77.2") // as a device registers it in its own name
	fresh.Labels, fresh.Annotations = nil, map[string]string{"cloudcore": "10.1.0.5"}
	createNode(t, fresh)
	edge := edgeNode("bound-edge", "192.168.77.1")
	edge.Annotations = map[string]string{"node.alpha.kubernetes.io/ttl": "0"}
	createNode(t, edge)
	watcher, core := account(t, v1alpha1.KubeEdgeNamespace, "edge-watcher"), account(t, v1alpha1.KubeEdgeNamespace, "cloudcore")
	inForce(t, "edgeway-edge-nodes", func() error {
		return patchNode(t.Context(), client.NewDryRunClient(watcher), "bound-cloud", `{"spec":{"unschedulable":true}}`)
	})
	inForce(t, "edgeway-cloudcore-edge-nodes", func() error {
		return patchNode(t.Context(), client.NewDryRunClient(core), "bound-cloud", `{"spec":{"unschedulable":true}}`)
	})
	inForce(t, "edgeway-edge-node-status", func() error {
		return patchStatus(t.Context(), client.NewDryRunClient(watcher), "bound-cloud", `{"status":{"phase":"Running"}}`)
	})
	for _, tc := range []struct {
		what, node, body string
		watcher, core    bool
	}{
		{"labels", "bound-edge", `{"metadata":{"labels":{"zone":"a"}}}`, true, true},
		{"taints", "bound-edge", `{"spec":{"taints":[{"key":"k","effect":"NoSchedule"}]}}`, true, true},
		{"cordon", "bound-edge", `{"spec":{"unschedulable":true}}`, true, true},
		{"own annotation", "bound-edge", `{"metadata":{"annotations":{"edgeway.io/applied":"{}"}}}`, true, true},
		{"another's annotation", "bound-edge", `{"metadata":{"annotations":{"cloudcore":"10.1.0.5"}}}`, false, true},
		{"another's annotation is gone", "bound-edge", `{"metadata":{"annotations":{"node.alpha.kubernetes.io/ttl":null}}}`, false, true},
		{"finalizer", "bound-edge", `{"metadata":{"finalizers":["a.example/b"]}}`, false, false},
		{"pod network", "bound-edge", `{"spec":{"podCIDR":"10.9.0.0/24","podCIDRs":["10.9.0.0/24"]}}`, false, false},
		{"provider ID", "bound-edge", `{"spec":{"providerID":"cloud://1"}}`, false, false},
		{"no edge label any more", "bound-edge", `{"metadata":{"labels":{` + edgeLabel + `null}}}`, false, false},
		{"labels of a cloud node", "bound-cloud", `{"metadata":{"labels":{"zone":"a"}}}`, false, false},
		{"taints of a cloud node", "bound-cloud", `{"spec":{"taints":[{"key":"k","effect":"NoExecute"}]}}`, false, false},
		{"cordon of a cloud node", "bound-cloud", `{"spec":{"unschedulable":true}}`, false, false},
		{"a cloud node becomes an edge node", "bound-cloud", `{"metadata":{"labels":{` + edgeLabel + `""}}}`, false, false},
		{"a new device's Node becomes an edge node", "bound-fresh", `{"metadata":{"labels":{` + edgeLabel + `""}}}`, false, true},
	} {
		outcome(t, "edge-watcher: "+tc.what, tc.watcher, patchNode(t.Context(), client.NewDryRunClient(watcher), tc.node, tc.body))
		outcome(t, "cloudcore: "+tc.what, tc.core, patchNode(t.Context(), client.NewDryRunClient(core), tc.node, tc.body))
	}
	for _, tc := range []struct {
		what, node, body string
		watcher, core    bool
	}{
		{"condition EdgewayRouted", "bound-edge", `{"status":{"conditions":[{"type":"EdgewayRouted","status":"True"}]}}`, true, true},
		{"condition Ready", "bound-edge", `{"status":{"conditions":[{"type":"Ready","status":"False"}]}}`, false, true},
		{"kubelet port", "bound-edge", `{"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":10352}}}}`, false, true},
		{"address", "bound-edge", `{"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.9"}]}}`, false, true},
		{"condition of a cloud node", "bound-cloud", `{"status":{"conditions":[{"type":"EdgewayRouted","status":"True"}]}}`, false, false},
		{"kubelet port of a cloud node", "bound-cloud", `{"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":10352}}}}`, false, false},
	} {
		outcome(t, "edge-watcher: "+tc.what, tc.watcher, patchStatus(t.Context(), client.NewDryRunClient(watcher), tc.node, tc.body))
		outcome(t, "cloudcore: "+tc.what, tc.core, patchStatus(t.Context(), client.NewDryRunClient(core), tc.node, tc.body))
	}
	outcome(t, "edge-watcher: delete a cloud node", false, client.NewDryRunClient(watcher).Delete(t.Context(), cloud))
	outcome(t, "edge-watcher: delete an edge node", true, client.NewDryRunClient(watcher).Delete(t.Context(), edge))

	// A Node that lost its label keeps no condition of ours.
	if err := patchStatus(t.Context(), admin, "bound-cloud", `{"status":{"conditions":[{"type":"EdgewayRouted","status":"True"},{"type":"Ready","status":"True"}]}}`); err != nil {
		t.Fatal(err)
	}
	outcome(t, "edge-watcher: take the condition off", true, patchStatus(t.Context(), client.NewDryRunClient(watcher), "bound-cloud",
		`{"status":{"conditions":[{"type":"EdgewayRouted","$patch":"delete"}]}}`))
	outcome(t, "edge-watcher: change the condition", false, patchStatus(t.Context(), client.NewDryRunClient(watcher), "bound-cloud",
		`{"status":{"conditions":[{"type":"EdgewayRouted","status":"False"}]}}`))
}

// TestTheRestartOfCloudCoreIsBounded: edge-watcher restarts CloudCore and changes nothing
// else of its Deployment.
func TestTheRestartOfCloudCoreIsBounded(t *testing.T) {
	labels := map[string]string{"app": "cloudcore"}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "cloudcore", Namespace: v1alpha1.KubeEdgeNamespace},
		Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{"edgeway.io/config": "1"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "cloudcore", Image: "cloudcore:1"}}},
		}},
	}
	create(t, deployment)
	watcher := client.NewDryRunClient(account(t, v1alpha1.KubeEdgeNamespace, "edge-watcher"))
	inForce(t, "edgeway-cloudcore-restart", func() error {
		return watcher.Patch(t.Context(), deployment.DeepCopy(), client.RawPatch(types.StrategicMergePatchType, []byte(`{"spec":{"replicas":0}}`)))
	})
	for body, allowed := range map[string]bool{
		`{"spec":{"template":{"metadata":{"annotations":{"edgeway.io/stream-cert":"now"}}}}}`:                        true,
		`{"spec":{"template":{"metadata":{"annotations":{"edgeway.io/config":"2"}}}}}`:                               false,
		`{"spec":{"template":{"metadata":{"annotations":{"edgeway.io/config":null}}}}}`:                              false,
		`{"spec":{"template":{"spec":{"containers":[{"name":"cloudcore","image":"stranger:1"}]}}}}`:                  false,
		`{"spec":{"template":{"spec":{"containers":[{"name":"cloudcore","securityContext":{"privileged":true}}]}}}}`: false,
		`{"spec":{"template":{"spec":{"serviceAccountName":"iptables-operator"}}}}`:                                  false,
		`{"spec":{"template":{"spec":{"hostNetwork":true}},"replicas":3}}`:                                           false,
		`{"spec":{"replicas":0}}`:                                        false,
		`{"spec":{"paused":true}}`:                                       false,
		`{"metadata":{"annotations":{"a":"b"}}}`:                         false,
		`{"spec":{"strategy":{"type":"Recreate","rollingUpdate":null}}}`: false,
		`{"spec":{"template":{"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/cloudcore":"unconfined"}}}}}`: false,
	} {
		err := watcher.Patch(t.Context(), deployment.DeepCopy(), client.RawPatch(types.StrategicMergePatchType, []byte(body)))
		outcome(t, body, allowed, err)
	}
}

// TestSecretsAreBounded: both accounts may create Secrets in their namespace, and only
// those that are theirs.
func TestSecretsAreBounded(t *testing.T) {
	own := map[string][]string{"edge-watcher": {"cloudcore-stream", "stream-gate"}, "cloudcore": {"casecret", "cloudcoresecret", "tokensecret"}}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		c := client.NewDryRunClient(account(t, v1alpha1.KubeEdgeNamespace, name))
		secret := func(name string, kind corev1.SecretType) *corev1.Secret {
			return &corev1.Secret{Type: kind, ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.KubeEdgeNamespace,
				Annotations: map[string]string{corev1.ServiceAccountNameKey: "iptables-operator"}}}
		}
		inForce(t, "edgeway-secrets", func() error { return c.Create(t.Context(), secret("canary", corev1.SecretTypeOpaque)) })
		for _, mine := range own[name] {
			outcome(t, name+" creates "+mine, true, c.Create(t.Context(), secret(mine, corev1.SecretTypeOpaque)))
			outcome(t, name+" makes "+mine+" a token", false, c.Create(t.Context(), secret(mine, corev1.SecretTypeServiceAccountToken)))
		}
		for _, other := range []string{"token-of-another", "sh.helm.release.v1.edgeway.v99", "edgeway-prometheus"} {
			outcome(t, name+" creates "+other, false, c.Create(t.Context(), secret(other, corev1.SecretTypeOpaque)))
		}
	}
}

// TestTheProbeIsRestricted: the namespace of joins admits the pod that edge-watcher
// really makes, and no pod that has a hold of its node.
func TestTheProbeIsRestricted(t *testing.T) {
	cloudCore(t)
	removeOurs(t)
	createNode(t, edgeNode("probed", "192.168.78.1"))
	if err := patchStatus(t.Context(), admin, "probed", `{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`); err != nil {
		t.Fatal(err)
	}
	e := enrollmentFor("probed", "192.168.78.1")
	e.Spec.State = v1alpha1.StateActive
	create(t, e)
	// Its device is the Node's, so that the name counts as its own.
	e.Status.Phase = v1alpha1.PhaseTunnelUp
	e.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReserved, Status: metav1.ConditionTrue, Reason: "Reserved", LastTransitionTime: metav1.Now()}}
	if err := admin.Status().Update(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	startWatcher(t)
	probes := []client.ListOption{client.InNamespace(v1alpha1.JoinNamespace), client.MatchingLabels{"app.kubernetes.io/name": "edgeway-probe"}}
	t.Cleanup(func() {
		if err := admin.DeleteAllOf(context.Background(), &corev1.Pod{}, client.InNamespace(v1alpha1.JoinNamespace), client.GracePeriodSeconds(0)); err != nil {
			t.Error(err)
		}
	})
	var pods corev1.PodList
	eventually(t, "the probe pod is admitted", func() error {
		if err := admin.List(t.Context(), &pods, probes...); err != nil {
			return err
		}
		if len(pods.Items) == 0 {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	probe := pods.Items[0]
	watcher := client.NewDryRunClient(account(t, v1alpha1.KubeEdgeNamespace, "edge-watcher"))
	yes := true
	for what, change := range map[string]func(*corev1.Pod){
		"as it is":         func(*corev1.Pod) {},
		"privileged":       func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext.Privileged = &yes },
		"escalation":       func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = &yes },
		"capabilities":     func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext.Capabilities = nil },
		"host network":     func(p *corev1.Pod) { p.Spec.HostNetwork = true },
		"host process IDs": func(p *corev1.Pod) { p.Spec.HostPID = true },
		"root": func(p *corev1.Pod) {
			p.Spec.SecurityContext.RunAsNonRoot, p.Spec.SecurityContext.RunAsUser = nil, new(int64)
		},
		"no seccomp": func(p *corev1.Pod) { p.Spec.SecurityContext.SeccompProfile = nil },
		"a path of the host": func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "h", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
		},
		"in another namespace": func(p *corev1.Pod) { p.Namespace = v1alpha1.KubeEdgeNamespace },
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "like-the-probe", Namespace: probe.Namespace}, Spec: *probe.Spec.DeepCopy()}
		change(pod)
		outcome(t, "pod "+what, what == "as it is", watcher.Create(t.Context(), pod))
	}
}

// TestMintingIsARightOfItsOwn: who may change enrollments makes no token of KubeEdge
// without the right to create edgeenrollments/token.
func TestMintingIsARightOfItsOwn(t *testing.T) {
	operator := func(name string, rules ...rbacv1.PolicyRule) client.Client {
		create(t, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.JoinNamespace},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edgeway-edge-operator"},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: metav1.NamespaceDefault}}})
		if len(rules) > 0 {
			create(t, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name + "-more", Namespace: v1alpha1.JoinNamespace}, Rules: rules})
			create(t, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name + "-more", Namespace: v1alpha1.JoinNamespace},
				RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name + "-more"},
				Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: metav1.NamespaceDefault}}})
		}
		return account(t, metav1.NamespaceDefault, name)
	}
	plain := operator("mint-operator")
	minter := operator("mint-minter", rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"edgeenrollments/token"}, Verbs: []string{"create"}})
	enrollment := func(name string) *v1alpha1.EdgeEnrollment {
		return &v1alpha1.EdgeEnrollment{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.JoinNamespace},
			Spec: v1alpha1.EdgeEnrollmentSpec{NodeName: name, Arch: "amd64", NodeIP: "192.168.79.1", CodeHash: strings.Repeat("0", 64),
				CloudCore: v1alpha1.CloudCoreAddress{Host: "198.18.0.2", WebSocketPort: 31000, CertPort: 31002, TunnelPort: 31004}},
		}
	}
	ask := func(e *v1alpha1.EdgeEnrollment) *v1alpha1.EdgeEnrollment {
		e.Spec.TokenFor = &v1alpha1.TokenRecipient{PublicKey: make([]byte, 32)}
		return e
	}
	minted := enrollment("minted")
	create(t, minted)
	asking := func(c client.Client) error {
		return client.NewDryRunClient(c).Patch(t.Context(), ask(minted.DeepCopy()), client.MergeFrom(minted))
	}
	inForce(t, "edgeway-join-token", func() error { return asking(plain) })
	if err := asking(plain); !apierrors.IsForbidden(err) {
		t.Errorf("an edge operator asks for a token: %v, want 403", err)
	}
	outcome(t, "an edge operator creates an enrollment with a request", false, client.NewDryRunClient(plain).Create(t.Context(), ask(enrollment("minted-2"))))
	outcome(t, "who has the right asks for a token", true, asking(minter))
	outcome(t, "an administrator asks for a token", true, asking(admin))
	// What asks already may be changed in other things by whoever may change it.
	outcome(t, "an administrator's request", true, admin.Patch(t.Context(), ask(minted), client.MergeFrom(enrollment("minted"))))
	cordoned := minted.DeepCopy()
	cordoned.Spec.State = v1alpha1.StateCordoned
	outcome(t, "an edge operator cordons", true, client.NewDryRunClient(plain).Patch(t.Context(), cordoned, client.MergeFrom(minted)))
	if _, err := enroll.RequestToken(t.Context(), plain, minted.DeepCopy(), true); !errors.Is(err, enroll.ErrTokenForbidden) {
		t.Errorf("the console's request as an edge operator: %v", err)
	}
}
