package gate

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	authv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/figures"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/streamcert"
)

// TestFiguresAreReadThroughTheGate: edge-watcher, with the rights that the chart gives
// it, gets figures of an edge node and nothing else of it.
func TestFiguresAreReadThroughTheGate(t *testing.T) {
	n := node(t, "figures-1")
	d := connect(t, n.Name, kubelet())
	reader, token := figuresReader(t, n.Name)
	got, err := reader.Get(t.Context(), n.Name, "stats/summary")
	if err != nil || !strings.Contains(string(got), "/stats/summary") {
		t.Errorf("stats/summary: %q, %v", got, err)
	}
	for _, path := range []string{"exec/default/p/c", "containerLogs/default/p/c", "pods", "configz"} {
		if _, err := reader.Get(t.Context(), n.Name, path); !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v, want 403", path, err)
		}
	}
	if wire := d.wire(); !bytes.Contains(wire, []byte("/stats/summary")) || bytes.Contains(wire, []byte(token())) {
		t.Error("the request did not arrive at the device, or the token did")
	}
}

// figuresReader works with edge-watcher's own account. It also returns the last token
// that was sent.
func figuresReader(t *testing.T, name string) (*figures.Reader, func() string) {
	t.Helper()
	file, err := w.kubeconfig(t.Context(), "edge-watcher")
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		t.Fatal(err)
	}
	watcher := kubernetes.NewForConfigOrDie(config)
	var last string
	reader, err := figures.New(figures.Config{
		Node: func(string) *routes.Node {
			return &routes.Node{Name: name, Edge: true, KubeletPort: int32(w.streamPort)}
		},
		Targets: func(context.Context) ([]v1alpha1.EdgeRouteTarget, error) {
			return []v1alpha1.EdgeRouteTarget{{ID: routes.TargetID(int32(w.streamPort)), Endpoints: []v1alpha1.EdgeRouteEndpoint{{Address: gateIP, Port: int32(w.streamPort)}}}}, nil
		},
		GateCA: func(ctx context.Context) ([]byte, error) {
			secret, err := watcher.CoreV1().Secrets(v1alpha1.KubeEdgeNamespace).Get(ctx, streamcert.SecretName, metav1.GetOptions{})
			if err != nil {
				return nil, err
			}
			return secret.Data[streamcert.KeyCA], nil
		},
		Token: func(ctx context.Context, refused string) (string, error) {
			if refused != "" {
				return "", errors.New("the token was refused")
			}
			made, err := watcher.CoreV1().ServiceAccounts(v1alpha1.KubeEdgeNamespace).CreateToken(ctx, figures.Account, &authv1.TokenRequest{}, metav1.CreateOptions{})
			if err != nil {
				return "", err
			}
			last = made.Status.Token
			return last, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return reader, func() string { return last }
}
