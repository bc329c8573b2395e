package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	typedcoordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

const (
	// hollow keeps pods away from nodes that cannot run any.
	hollow = "edgeway.io/hollow"
	// statusEvery is how many renewals of the lease go with one status: kubelets report
	// one that has not changed every five minutes (nodeStatusReportFrequency), and the
	// second one up to half of that earlier or later, so that nodes that came together
	// do not report together ever after (Kubernetes' kubelet_node_status.go).
	statusEvery = 30
)

// clients share one connection.
type clients struct {
	// nodes speaks JSON: CloudCore changes what a node says about itself, and reads
	// nothing else.
	nodes typedcorev1.NodeInterface
	// leases are most of what a node sends; they are passed on unseen.
	leases typedcoordinationv1.LeaseInterface
}

func newClients(conf *rest.Config) (*clients, error) {
	transport, err := rest.HTTPClientFor(conf)
	if err != nil {
		return nil, err
	}
	text, binary := rest.CopyConfig(conf), rest.CopyConfig(conf)
	text.ContentType, binary.ContentType = runtime.ContentTypeJSON, runtime.ContentTypeProtobuf
	core, err := typedcorev1.NewForConfigAndClient(text, transport)
	if err != nil {
		return nil, err
	}
	coordination, err := typedcoordinationv1.NewForConfigAndClient(binary, transport)
	if err != nil {
		return nil, err
	}
	return &clients{nodes: core.Nodes(), leases: coordination.Leases(corev1.NamespaceNodeLease)}, nil
}

// live registers the node and keeps it Ready until ctx ends. It calls registered once the
// Node exists.
func (n *node) live(ctx context.Context, api *clients, registered func()) error {
	for first, left := true, 0; ; left-- {
		err := n.beat(ctx, api, left == 0)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			slog.Warn("node not renewed", "node", n.name, "err", err)
			first, left = true, 1 // the Node may be gone: begin again with everything
		case left == 0:
			registered()
			left = untilNextStatus(first)
			first = false
		}
		select {
		case <-time.After(n.conf.Beat):
		case <-ctx.Done():
			return nil
		}
	}
}

// untilNextStatus is how many renewals there are from one status to the next.
func untilNextStatus(first bool) int {
	if first {
		return statusEvery/2 + rand.IntN(statusEvery+1)
	}
	return statusEvery
}

func (n *node) beat(ctx context.Context, api *clients, whole bool) error {
	if whole {
		if err := n.register(ctx, api); err != nil {
			return err
		}
	}
	if err := n.renew(ctx, api); err != nil {
		n.lease = nil // it may be gone, or another's
		return fmt.Errorf("renew the lease: %w", err)
	}
	return nil
}

// renew updates the lease as it was last seen, as kubelets do.
func (n *node) renew(ctx context.Context, api *clients) (err error) {
	if n.lease == nil {
		n.lease, err = api.leases.Get(ctx, n.name, metav1.GetOptions{})
	}
	now, seconds := metav1.NowMicro(), int32(40)
	spec := coordinationv1.LeaseSpec{HolderIdentity: &n.name, LeaseDurationSeconds: &seconds, RenewTime: &now}
	switch {
	case apierrors.IsNotFound(err):
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: n.name}, Spec: spec}
		n.lease, err = api.leases.Create(ctx, lease, metav1.CreateOptions{})
	case err == nil:
		n.lease.Spec = spec
		n.lease, err = api.leases.Update(ctx, n.lease, metav1.UpdateOptions{})
	}
	return err
}

// register makes the Node, if there is none, and writes its status.
func (n *node) register(ctx context.Context, api *clients) error {
	status := n.status()
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: map[string]string{
			corev1.LabelHostname: n.name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "arm64"}},
		Spec:   corev1.NodeSpec{Taints: []corev1.Taint{{Key: hollow, Effect: corev1.TaintEffectNoSchedule}}},
		Status: status,
	}
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return fmt.Errorf("encode the status: %w", err)
	}
	_, err = api.nodes.Patch(ctx, n.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) {
		_, err = api.nodes.Create(ctx, node, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}

func (n *node) status() corev1.NodeStatus {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewQuantity(cores, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(memoryBytes, resource.BinarySI),
		corev1.ResourcePods:   *resource.NewQuantity(110, resource.DecimalSI),
	}
	return corev1.NodeStatus{
		Capacity: capacity, Allocatable: capacity,
		Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.ip}, {Type: corev1.NodeHostName, Address: n.name}},
		NodeInfo:  corev1.NodeSystemInfo{OperatingSystem: "linux", Architecture: "arm64", KubeletVersion: "v0.0.0-hollow"},
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Hollow",
			Message: "a simulated edge node", LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.NewTime(n.figures.start)}},
	}
}
