package apiserver

import (
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// What was written is there after an outage, and who has no right gets nothing.
func TestServer(t *testing.T) {
	s := ForTest(t, Options{})
	ctx := t.Context()
	client := kubernetes.NewForConfigOrDie(s.Config)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
	if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.StopAPI(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Nodes().Get(ctx, "a", metav1.GetOptions{}); err == nil {
		t.Fatal("a killed API server answers")
	}
	if err := s.StartAPI(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Nodes().Get(ctx, "a", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	nobody := kubernetes.NewForConfigOrDie(s.As("nobody", nil, "system:authenticated"))
	if _, err := nobody.CoreV1().Nodes().Get(ctx, "a", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("nobody gets a node: %v, want %d", err, http.StatusForbidden)
	}
}

func TestMissingProgramsAreNamed(t *testing.T) {
	_, err := Start(t.Context(), Options{BinDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "make build-sandbox") {
		t.Errorf("error %v names no remedy", err)
	}
}
