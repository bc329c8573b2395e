package cli

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	objectfake "sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/nodework"
	"github.com/edgeway-io/edgeway/internal/observe"
)

// A node that cannot be cordoned keeps none of the others, and its name is in the error.
func TestCordonGoesOnAfterANodeThatFails(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	edge := func(name string) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelEdge: ""}}}
	}
	c := nodework.Clients{Kube: fake.NewClientset(edge("a"), edge("c"), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "cloud"}}),
		Objects: objectfake.NewClientBuilder().WithScheme(scheme).Build()}
	var out bytes.Buffer
	err := cordonAll(true)(t.Context(), c, []string{"a", "nobody", "cloud", "c"}, &out)
	if got, want := out.String(), "a cordoned\nc cordoned\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if err == nil || !strings.Contains(err.Error(), "nobody not cordoned") || !strings.Contains(err.Error(), "cloud not cordoned") || ExitCode(err) != ExitBadInput {
		t.Errorf("got %v with exit code %d", err, ExitCode(err))
	}
}

func TestTaintsAreListedAsKubectlDescribesThem(t *testing.T) {
	n := observe.Node{Taints: []observe.Taint{{Key: "gpu", Value: "yes", Effect: "NoSchedule"}, {Key: "old", Effect: "NoExecute"}}}
	if got, want := taintsOf(n), "gpu=yes:NoSchedule,old:NoExecute"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := taintsOf(observe.Node{}); got != "-" {
		t.Errorf("no taints are %q", got)
	}
}
