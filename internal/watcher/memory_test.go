package watcher

import (
	"fmt"
	"runtime"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
)

// wireNode is a Node of about 8 KiB as it comes off the wire: no text is shared with
// another one.
func wireNode(t *testing.T, i int) *corev1.Node {
	t.Helper()
	n := edgeNode(fmt.Sprintf("edge-node-%06d", i), fmt.Sprintf("10.%d.%d.%d", 100+i>>16, i>>8&255, i&255), 10351)
	n.UID = types.UID(fmt.Sprintf("aaaaaaaa-bbbb-cccc-dddd-%012d", i))
	n.Labels = map[string]string{
		v1alpha1.LabelEdge: "", v1alpha1.LabelAgent: "", "kubernetes.io/hostname": n.Name, "kubernetes.io/arch": "arm64",
		"kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "arm64", "beta.kubernetes.io/os": "linux", "example.com/site": "shop",
	}
	n.Annotations = map[string]string{"node.example.com/ttl": "0"}
	n.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintEdge, Value: "edge", Effect: corev1.TaintEffectNoSchedule}}
	n.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "cloudcore", FieldsV1: &metav1.FieldsV1{Raw: make([]byte, 3000)}}}
	for j := range 40 {
		name := fmt.Sprintf("registry.example.com/some/image-%d@sha256:0123456789012345678901234567890123456789", j)
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{name}})
	}
	raw, err := n.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	decoded := &corev1.Node{}
	if err := decoded.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// living is the size of what is reachable, in bytes.
func living() uint64 {
	runtime.GC()
	runtime.GC() // what the first one finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// 100,000 Nodes fit into edge-watcher's memory: of each, store and finding together
// keep little.
func TestLittleIsKeptOfANode(t *testing.T) {
	const count, most = 5000, 1024 // bytes a node
	settings, err := DefaultOptions().settings()
	if err != nil {
		t.Fatal(err)
	}
	record, err := routes.ParseRecord(`{"ipTunnelPort":{"10.1.0.5":10351},"port":{"10351":true}}`)
	if err != nil {
		t.Fatal(err)
	}
	before := living()
	store := newStore(t)
	for i := range count {
		if err := store.Add(wireNode(t, i)); err != nil {
			t.Fatal(err)
		}
	}
	nodes, err := store.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	findings := routes.Compute(routes.Input{Nodes: nodes, Record: record, Settings: settings}).Findings
	nodes = nil
	kept := (living() - before) / count
	t.Logf("%d bytes a node", kept)
	if kept > most {
		t.Errorf("%d bytes are kept of a node, want at most %d", kept, most)
	}
	runtime.KeepAlive(store)
	runtime.KeepAlive(findings)
	if len(nodes) != 0 || len(findings) != count {
		t.Errorf("%d findings, want %d", len(findings), count)
	}
}
