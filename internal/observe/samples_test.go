package observe

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// TestNamesLeadToNoOtherPath: whoever reaches this package with a name must not reach
// other paths of the API.
func TestNamesLeadToNoOtherPath(t *testing.T) {
	var asked atomic.Pointer[string]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		asked.Store(&path)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	}))
	defer server.Close()
	kube, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	s := NewSamples(kube.CoreV1().RESTClient())
	for _, name := range []string{"../../../../api/v1/secrets", "..", ".", "", "a/b", "..%2f.."} {
		if _, err := s.Node(t.Context(), name, time.Minute); !apierrors.IsBadRequest(err) {
			t.Errorf("node %q: %v, want a bad request", name, err)
		}
		if _, err := s.Pod(t.Context(), "web", name, 0); !apierrors.IsBadRequest(err) {
			t.Errorf("pod %q: %v, want a bad request", name, err)
		}
		if _, err := s.Pod(t.Context(), name, "p", 0); !apierrors.IsBadRequest(err) {
			t.Errorf("namespace %q: %v, want a bad request", name, err)
		}
	}
	if path := asked.Load(); path != nil {
		t.Errorf("asked for %s", *path)
	}
	if _, err := s.Node(t.Context(), "edge-1", 0); err != nil {
		t.Fatal(err)
	}
	if got, want := *asked.Load(), "/apis/samples.edgeway.io/v1alpha1/nodes/edge-1"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
}
