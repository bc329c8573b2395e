package onsite

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

const (
	// labelHollow marks the Nodes of a test.
	labelHollow = v1alpha1.Group + "/hollow"
	// firstHollow is the address before the first hollow Node's.
	firstHollow = "10.210.0.0"
)

// Hollow are Nodes without a machine: an edge label, an address and a kubelet port
// are all that routes are made from.
type Hollow struct {
	client kubernetes.Interface
	prefix string
}

// NewHollow makes Nodes "PREFIX-1" to "PREFIX-COUNT" with a kubelet port, and
// removes all Nodes of the prefix at the test's end.
func NewHollow(t testing.TB, client kubernetes.Interface, prefix string, count int, port int32) *Hollow {
	t.Helper()
	h := &Hollow{client: client, prefix: prefix}
	t.Cleanup(func() { h.removeAll(t) })
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(8)
	for i := 1; i <= count; i++ {
		group.Go(func() error { return h.Add(ctx, i, HollowIP(i), port) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return h
}

// HollowIP is the address that the ith hollow Node starts with.
func HollowIP(i int) string {
	addr := netip.MustParseAddr(firstHollow).As4()
	addr[2], addr[3] = byte(i>>8), byte(i)
	return netip.AddrFrom4(addr).String()
}

// Name of the ith Node.
func (h *Hollow) Name(i int) string { return fmt.Sprintf("%s-%d", h.prefix, i) }

// Add makes the ith Node.
func (h *Hollow) Add(ctx context.Context, i int, ip string, port int32) error {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: h.Name(i), Labels: map[string]string{v1alpha1.LabelEdge: "", labelHollow: h.prefix}},
		Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: labelHollow, Effect: corev1.TaintEffectNoSchedule}}},
		Status: corev1.NodeStatus{
			Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: ip}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: port}},
		},
	}
	_, err := h.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// Remove deletes the ith Node, if it is there.
func (h *Hollow) Remove(ctx context.Context, i int) error {
	err := h.client.CoreV1().Nodes().Delete(ctx, h.Name(i), metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// SetIP changes a Node's address.
func (h *Hollow) SetIP(ctx context.Context, i int, ip string) error {
	return h.patch(ctx, i, "status", fmt.Sprintf(`{"status":{"addresses":[{"type":"InternalIP","address":%q}]}}`, ip))
}

// SetPort changes a Node's kubelet port, as a CloudCore does that gets its tunnel.
func (h *Hollow) SetPort(ctx context.Context, i int, port int32) error {
	return h.patch(ctx, i, "status", fmt.Sprintf(`{"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":%d}}}}`, port))
}

// SetEdge gives a Node the edge label or takes it away.
func (h *Hollow) SetEdge(ctx context.Context, i int, edge bool) error {
	value := "null"
	if edge {
		value = `""`
	}
	return h.patch(ctx, i, "", fmt.Sprintf(`{"metadata":{"labels":{%q:%s}}}`, v1alpha1.LabelEdge, value))
}

// patch ignores Nodes that are not there.
func (h *Hollow) patch(ctx context.Context, i int, subresource, patch string) error {
	var sub []string
	if subresource != "" {
		sub = []string{subresource}
	}
	_, err := h.client.CoreV1().Nodes().Patch(ctx, h.Name(i), types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, sub...)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (h *Hollow) removeAll(t testing.TB) {
	err := h.client.CoreV1().Nodes().DeleteCollection(context.WithoutCancel(t.Context()), metav1.DeleteOptions{},
		metav1.ListOptions{LabelSelector: labelHollow + "=" + h.prefix})
	if err != nil {
		t.Errorf("remove hollow nodes: %v", err)
	}
}

// ErrNotRouted says that an address is not among the routes yet.
var ErrNotRouted = errors.New("not routed")

// Routed waits for nothing: it says whether an address of a Node is in the routes.
func (k *Kernels) Routed(ctx context.Context, node, ip string) error {
	slices, err := k.Slices(ctx)
	if err != nil {
		return err
	}
	var has []string
	for _, s := range slices {
		for _, r := range s.Routes {
			if r.Node == node && r.Address == ip {
				return nil
			}
			if r.Node == node {
				has = append(has, r.Address)
			}
		}
	}
	return fmt.Errorf("%w: %s of %s; it has %s", ErrNotRouted, ip, node, strings.Join(has, ", "))
}
