// Package access decides who may ask an edge node for what. It demands what a
// kubelet demands of its callers: a client certificate of the cluster's CA or a
// bearer token, and the right to the node's subresource. The answers are the
// API server's, through k8s.io/apiserver's delegating authentication and
// authorization, and are remembered as long as a kubelet remembers them.
package access

import (
	"net/http"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// verbs by which RBAC knows the methods of a request to a kubelet.
var verbs = map[string]string{
	http.MethodPost: "create", http.MethodGet: "get", http.MethodPut: "update",
	http.MethodPatch: "patch", http.MethodDelete: "delete",
}

// subresources that a path of a kubelet stands for; the right to any of them is
// enough, the finer one is asked first. See "Kubelet authentication/authorization" in
// Kubernetes' documentation.
var subresources = []struct {
	path string
	of   []string
}{
	{"/stats", []string{"stats"}},
	{"/metrics", []string{"metrics"}},
	{"/logs", []string{"log"}},
	{"/checkpoint", []string{"checkpoint"}},
	{"/statusz", []string{"statusz"}},
	{"/flagz", []string{"configz"}},
	{"/pods", []string{"pods", "proxy"}},
	{"/runningpods", []string{"pods", "proxy"}},
	{"/healthz", []string{"healthz", "proxy"}},
	{"/configz", []string{"configz", "proxy"}},
}

func subresourcesOf(path string) []string {
	for _, s := range subresources {
		if path == s.path || strings.HasPrefix(path, s.path+"/") {
			return s.of
		}
	}
	return []string{"proxy"}
}

// attributes of a request to a node; the right to one of them is enough.
func attributes(who user.Info, r *http.Request, node string) []authorizer.Attributes {
	var out []authorizer.Attributes
	for _, sub := range subresourcesOf(r.URL.Path) {
		out = append(out, authorizer.AttributesRecord{
			User: who, Verb: verbs[r.Method], APIVersion: "v1", Resource: "nodes", Subresource: sub, Name: node,
			ResourceRequest: true, Path: r.URL.Path,
		})
	}
	return out
}
