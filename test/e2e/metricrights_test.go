//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// developer may see pods and their figures in namespace default, and nothing else.
const developer = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: figures-dev, namespace: sandbox-people}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: figures-dev, namespace: default}
rules:
- {apiGroups: [metrics.k8s.io], resources: [pods], verbs: [get, list]}
- {apiGroups: [""], resources: [pods], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: figures-dev, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: figures-dev}
subjects: [{kind: ServiceAccount, name: figures-dev, namespace: sandbox-people}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: figures-nobody, namespace: sandbox-people}
`

// TestRightsOfFigures: live and past figures are released by the right on
// metrics.k8s.io, over the console and at the apiserver alike.
func TestRightsOfFigures(t *testing.T) {
	if _, err := kubectl(t, developer, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = kubectl(t, developer, "delete", "--ignore-not-found", "-f", "-") })
	token := func(name string) string {
		return strings.TrimSpace(mustKubectl(t, "create", "token", name, "-n", "sandbox-people"))
	}
	const node = "jetson-xavier"
	pod := strings.TrimSpace(mustKubectl(t, "get", "pods", "-l", "node="+node, "-o", "jsonpath={.items[0].metadata.name}"))
	system := strings.TrimSpace(mustKubectl(t, "get", "pods", "-n", "kube-system", "-l", "k8s-app=metrics-server", "-o", "jsonpath={.items[0].metadata.name}"))
	type matrix map[string]bool
	everything := matrix{"node": true, "trends": true, "pod": true, "pods": true, "system pod": true, "all pods": true, "usage": true}
	paths := map[string][2]string{ // at the console, and at the apiserver
		"node":       {"/nodes/" + node + "/samples", "/nodes/" + node},
		"trends":     {"/metrics/trends", "/nodes"},
		"pod":        {"/pods/default/" + pod + "/samples", "/namespaces/default/pods/" + pod},
		"pods":       {"/metrics/containers?namespace=default", "/namespaces/default/pods"},
		"system pod": {"/pods/kube-system/" + system + "/samples", "/namespaces/kube-system/pods/" + system},
		"all pods":   {"/metrics/containers", "/pods"},
		"usage":      {"/metrics/nodes", ""},
	}
	for person, tc := range map[string]struct {
		token string
		may   matrix
	}{
		"admin":     {site.Tokens.Admin, everything},
		"viewer":    {site.Tokens.Viewer, everything},
		"developer": {token("figures-dev"), matrix{"pod": true, "pods": true}},
		"nobody":    {token("figures-nobody"), matrix{}},
	} {
		t.Run(person, func(t *testing.T) {
			c := signIn(t, tc.token)
			for what, path := range paths {
				for _, past := range []string{"", "sinceSeconds=900"} {
					err := c.Call(http.MethodGet, clusterPath+with(path[0], past), nil, nil)
					if (err == nil) != tc.may[what] || err != nil && !strings.Contains(err.Error(), "403") {
						t.Errorf("console: %s %q: %v", what, past, err)
					}
					if path[1] == "" {
						continue
					}
					_, err = kubectl(t, "", "--token="+tc.token, "--kubeconfig="+anonymous(t), "get", "--raw", with("/apis/samples.edgeway.io/v1alpha1"+path[1], past))
					if (err == nil) != tc.may[what] || err != nil && !strings.Contains(strings.ToLower(err.Error()), "forbidden") {
						t.Errorf("apiserver: %s %q: %v", what, past, err)
					}
				}
			}
		})
	}
	t.Run("anonymous", func(t *testing.T) {
		for what, path := range paths {
			err := site.Nobody().Call(http.MethodGet, clusterPath+path[0], nil, nil)
			if err == nil || !strings.Contains(err.Error(), "401") {
				t.Errorf("console: %s: %v, want 401", what, err)
			}
			if path[1] == "" {
				continue
			}
			if _, err := kubectl(t, "", "--kubeconfig="+anonymous(t), "get", "--raw", "/apis/samples.edgeway.io/v1alpha1"+path[1]); err == nil {
				t.Errorf("apiserver: %s was released to nobody", what)
			}
		}
	})
}

// with adds a parameter to a path that may have some.
func with(path, parameter string) string {
	switch {
	case parameter == "":
		return path
	case strings.Contains(path, "?"):
		return path + "&" + parameter
	}
	return path + "?" + parameter
}

// anonymous is a kubeconfig with the cluster and without credentials.
func anonymous(t *testing.T) string {
	t.Helper()
	server := strings.TrimSpace(mustKubectl(t, "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"))
	file := filepath.Join(t.TempDir(), "kubeconfig")
	config := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- {name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}\ncontexts:\n- {name: c, context: {cluster: c, user: u}}\nusers:\n- {name: u, user: {}}\n", server)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
