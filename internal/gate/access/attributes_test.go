package access

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiserver/pkg/authentication/user"
)

// TestAttributes holds the table of Kubernetes' documentation, and the paths that
// look like another one.
func TestAttributes(t *testing.T) {
	for _, tc := range []struct {
		method, path, verb string
		want               []string
	}{
		{http.MethodGet, "/stats", "get", []string{"stats"}},
		{http.MethodGet, "/stats/summary", "get", []string{"stats"}},
		{http.MethodGet, "/statsx", "get", []string{"proxy"}},
		{http.MethodGet, "/metrics", "get", []string{"metrics"}},
		{http.MethodGet, "/metrics/cadvisor", "get", []string{"metrics"}},
		{http.MethodGet, "/logs/", "get", []string{"log"}},
		{http.MethodGet, "/pods", "get", []string{"pods", "proxy"}},
		{http.MethodGet, "/runningpods/", "get", []string{"pods", "proxy"}},
		{http.MethodGet, "/healthz", "get", []string{"healthz", "proxy"}},
		{http.MethodGet, "/configz", "get", []string{"configz", "proxy"}},
		{http.MethodPost, "/checkpoint/a/b/c", "create", []string{"checkpoint"}},
		{http.MethodGet, "/containerLogs/a/b/c", "get", []string{"proxy"}},
		{http.MethodPost, "/exec/a/b/c", "create", []string{"proxy"}},
		{http.MethodGet, "/attach/a/b/c", "get", []string{"proxy"}},
		{http.MethodPut, "/", "update", []string{"proxy"}},
		{http.MethodHead, "/metrics", "", []string{"metrics"}},
	} {
		var got []string
		for _, a := range attributes(&user.DefaultInfo{Name: "u"}, httptest.NewRequest(tc.method, tc.path, nil), "edge-1") {
			got = append(got, a.GetSubresource())
			if a.GetVerb() != tc.verb || a.GetResource() != "nodes" || a.GetName() != "edge-1" || a.GetUser().GetName() != "u" || !a.IsResourceRequest() {
				t.Errorf("%s %s: %+v", tc.method, tc.path, a)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tc.method, tc.path, diff)
		}
	}
}
