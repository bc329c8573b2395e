package cli

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/test/apiserver"
)

// TestMembersOnTheCommandLine reaches clusters that only Secrets and KubeSphere's Cluster
// objects of the host name. All of them are one API server.
func TestMembersOnTheCommandLine(t *testing.T) {
	server := apiserver.ForTest(t, apiserver.Options{})
	kubeconfig, err := os.ReadFile(server.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	kube := kubernetes.NewForConfigOrDie(server.Config)
	for name, data := range map[string][]byte{"west": kubeconfig, "broken": []byte("users: [{user: {tokenFile: /etc/passwd}}]")} {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{clusters.LabelMember: "true"}},
			Data:       map[string][]byte{clusters.KeyKubeconfig: data},
		}
		if _, err := kube.CoreV1().Secrets("default").Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	status := func(args ...string) (int, string, string) {
		return run(t, append([]string{"status", "--kubeconfig", server.Kubeconfig()}, args...)...)
	}
	if code, _, errs := status("--cluster", "east", "--member-kubesphere"); code != ExitFailed || !strings.Contains(errs, "KubeSphere") {
		t.Errorf("no KubeSphere there: exit %d, %s", code, errs)
	}
	kubeSphere(t, server, "east", kubeconfig)
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--cluster", "west", "--member-secrets", "default"}, ExitOK, "Absent"},
		{[]string{"--cluster", "east", "--member-kubesphere"}, ExitOK, "Absent"},
		{[]string{"--cluster", "west", "--member-kubesphere", "--member-secrets", "default"}, ExitOK, "Absent"},
		{[]string{"--member-secrets", "default"}, ExitOK, "Absent"},
		{[]string{"--cluster", "west"}, ExitBadInput, "--member-secrets"},
		{[]string{"--cluster", "west", "--member-secrets", "kube-system"}, ExitBadInput, "unknown cluster"},
		{[]string{"--cluster", "south", "--member-secrets", "default"}, ExitBadInput, "west"},
		{[]string{"--cluster", "broken", "--member-secrets", "default"}, ExitFailed, "broken"},
	} {
		if code, out, errs := status(tc.args...); code != tc.code || !strings.Contains(out+errs, tc.says) {
			t.Errorf("%v: exit %d, %q %q; want %d and %q", tc.args, code, out, errs, tc.code, tc.says)
		}
	}
}

// kubeSphere makes the CRD as far as it matters, and a Cluster object.
func kubeSphere(t *testing.T, server *apiserver.Server, name string, kubeconfig []byte) {
	t.Helper()
	keep := true
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "clusters.cluster.kubesphere.io"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "cluster.kubesphere.io", Scope: apiextensionsv1.ClusterScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "clusters", Kind: "Cluster", ListKind: "ClusterList", Singular: "cluster"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1alpha1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", XPreserveUnknownFields: &keep}}}},
		},
	}
	if _, err := apiextensions.NewForConfigOrDie(server.Config).ApiextensionsV1().CustomResourceDefinitions().Create(t.Context(), crd, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"connection": map[string]any{"type": "direct", "kubeconfig": base64.StdEncoding.EncodeToString(kubeconfig)}},
	}}
	resource := schema.GroupVersionResource{Group: "cluster.kubesphere.io", Version: "v1alpha1", Resource: "clusters"}
	client := dynamic.NewForConfigOrDie(server.Config).Resource(resource)
	var err error
	for range 100 { // the API server serves a new CRD after a moment
		if _, err = client.Create(t.Context(), object, metav1.CreateOptions{}); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(fmt.Errorf("create Cluster: %w", err))
}
