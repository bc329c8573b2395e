// Package parity compares what Edgeway shows and accepts with the real kubectl, against a
// real kube-apiserver: statuses are written through the status subresource, so pods can be
// in any state without a kubelet.
package parity

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/test/apiserver"
)

// programs are built by `make build-sandbox`.
const programs = "../../bin/kube"

// cluster is shared by the tests of this package; each works on a node and a namespace of
// its own.
var cluster *apiserver.Server

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var err error
	if cluster, err = apiserver.Start(ctx, apiserver.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// place is a namespace and an edge node for one test.
type place struct {
	t    *testing.T
	kube kubernetes.Interface
	name string
}

func newPlace(t *testing.T, name string) *place {
	t.Helper()
	p := &place{t: t, kube: kubernetes.NewForConfigOrDie(cluster.Config), name: name}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := p.kube.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p.node(name, nil)
	return p
}

// node makes an edge node that is Ready.
func (p *place) node(name string, change func(*corev1.Node)) {
	p.t.Helper()
	nodes := p.kube.CoreV1().Nodes()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelEdge: ""}}}
	if change != nil {
		change(n)
	}
	n, err := nodes.Create(p.t.Context(), n, metav1.CreateOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady"}}
	n.Status.Allocatable = resources("cpu=3900m", "memory=7Gi", "ephemeral-storage=60Gi", "pods=110", "hugepages-2Mi=64Mi", "hugepages-1Gi=0", "example.com/gpu=2")
	n.Status.Capacity = resources("cpu=4", "memory=8Gi", "ephemeral-storage=64Gi", "pods=110", "hugepages-2Mi=64Mi", "hugepages-1Gi=0", "example.com/gpu=2")
	if _, err := nodes.UpdateStatus(p.t.Context(), n, metav1.UpdateOptions{}); err != nil {
		p.t.Fatal(err)
	}
}

// pod makes a pod on the node and gives it a status. Its containers are called after
// their position: c0, c1, …
func (p *place) pod(name string, spec func(*corev1.Pod), status func(*corev1.PodStatus)) {
	p.t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.name, Name: name},
		Spec: corev1.PodSpec{NodeName: p.name, Containers: containers("c", 1)}}
	if spec != nil {
		spec(pod)
	}
	pods := p.kube.CoreV1().Pods(p.name)
	pod, err := pods.Create(p.t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		p.t.Fatalf("pod %s: %v", name, err)
	}
	if status == nil {
		return
	}
	status(&pod.Status)
	if _, err := pods.UpdateStatus(p.t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		p.t.Fatalf("status of pod %s: %v", name, err)
	}
}

// kubectl runs the real program with all rights and returns what it prints.
func kubectl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	path, err := filepath.Abs(filepath.Join(programs, "kubectl"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, path, append([]string{"--kubeconfig", cluster.Kubeconfig()}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %v: %w: %s", args, err, errs.String())
	}
	return out.String(), nil
}

func mustKubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := kubectl(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
