package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
)

const (
	// nodeBytes is the size of one Node as the API stores and sends it.
	nodeBytes = 8 << 10
	// writers at a time keep an API server on a small machine busy.
	writers = 8
)

// fleet writes Nodes as their kubelets would.
type fleet struct {
	b      *bed
	client kubernetes.Interface
}

func newFleet(b *bed, config *rest.Config) *fleet {
	config = rest.CopyConfig(config)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	c, err := kubernetes.NewForConfig(config)
	b.must(err)
	return &fleet{b: b, client: c}
}

// each calls write for 0 to count-1, several at a time.
func (f *fleet) each(count int, write func(ctx context.Context, n int) error) {
	group, ctx := errgroup.WithContext(f.b.ctx)
	for w := range writers {
		group.Go(func() error {
			for n := w; n < count; n += writers {
				if err := write(ctx, n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	f.b.must(group.Wait())
}

// create makes count edge Nodes, and what is known of CloudCore.
func (f *fleet) create(count int) {
	f.cloudCores()
	f.each(count, func(ctx context.Context, n int) error {
		if _, err := f.client.CoreV1().Nodes().Create(ctx, bigNode(n), metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create node %d: %w", n, err)
		}
		if (n+1)%20_000 == 0 {
			f.b.say("%d nodes", n+1)
		}
		return nil
	})
}

func nodeName(n int) string { return fmt.Sprintf("edge-%06d", n) }

// bigNode is an edge node with the usual contents, and images up to nodeBytes.
func bigNode(n int) *corev1.Node {
	now := metav1.Now()
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewQuantity(4, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(4<<30, resource.BinarySI),
		corev1.ResourcePods:   *resource.NewQuantity(110, resource.DecimalSI),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: nodeName(n),
			Labels: map[string]string{
				v1alpha1.LabelEdge: "", "node-role.kubernetes.io/agent": "",
				corev1.LabelHostname: nodeName(n), corev1.LabelOSStable: "linux", corev1.LabelArchStable: "arm64",
			},
			Annotations: map[string]string{"node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true"},
		},
		Status: corev1.NodeStatus{
			Capacity: capacity, Allocatable: capacity,
			Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: edgeAddr(n).String()}, {Type: corev1.NodeHostName, Address: nodeName(n)}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(10351 + n%2)}},
			NodeInfo:        corev1.NodeSystemInfo{OperatingSystem: "linux", Architecture: "arm64", KubeletVersion: "v1.32.10-kubeedge-v1.22.0"},
		},
	}
	for _, kind := range []corev1.NodeConditionType{corev1.NodeReady, corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure} {
		node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: kind, Status: corev1.ConditionTrue,
			Reason: "KubeletHasSufficient", Message: "kubelet has sufficient of it", LastHeartbeatTime: now, LastTransitionTime: now})
	}
	node.Status.Conditions = append(node.Status.Conditions, routedCondition(node))
	for i := 0; node.Size() < nodeBytes; i++ {
		name := fmt.Sprintf("registry.example.com/factory/line-%d/controller-%d", n%7, i)
		node.Status.Images = append(node.Status.Images, corev1.ContainerImage{
			Names: []string{fmt.Sprintf("%s@sha256:%064x", name, i*7919), name + ":v1.2.3"}, SizeBytes: 1 << 26})
	}
	return node
}

// routedCondition is what edge-watcher says of the node: here its writing 100,000 of
// them the first time is not measured.
func routedCondition(node *corev1.Node) corev1.NodeCondition {
	record, _ := routes.ParseRecord(tunnelRecord) // a constant
	in := routes.Input{
		Nodes: []routes.Node{{Name: node.Name, Edge: true, Addresses: []string{node.Status.Addresses[0].Address},
			KubeletPort: node.Status.DaemonEndpoints.KubeletEndpoint.Port}},
		Record:   record,
		Settings: routes.Settings{LogPort: v1alpha1.LogPort, MetricsPort: v1alpha1.MetricsPort, StreamPort: v1alpha1.StreamPort},
	}
	for _, ip := range coreIPs {
		in.CloudCores = append(in.CloudCores, routes.CloudCore{Pod: ip, Addresses: []netip.Addr{netip.MustParseAddr(ip)}})
	}
	finding := routes.Compute(in).Findings[node.Name]
	condition := corev1.NodeCondition{Type: v1alpha1.ConditionRouted, Status: corev1.ConditionFalse,
		Reason: string(finding.Reason), Message: finding.Message, LastTransitionTime: metav1.Now()}
	if finding.Works {
		condition.Status = corev1.ConditionTrue
	}
	return condition
}

// coreIPs are the CloudCores' addresses, tunnelRecord what they recorded.
var (
	coreIPs      = []string{core1IP, core2IP}
	tunnelRecord = fmt.Sprintf(`{"ipTunnelPort":{%q:10351,%q:10352},"port":{"10351":true,"10352":true}}`, core1IP, core2IP)
)

// cloudCores are two, in the record and as endpoints of the Service.
func (f *fleet) cloudCores() {
	ctx, ns := f.b.ctx, v1alpha1.KubeEdgeNamespace
	for _, name := range []string{ns, v1alpha1.JoinNamespace} {
		_, err := f.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		f.b.must(err)
	}
	_, err := f.client.CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: v1alpha1.TunnelPortConfigMap, Annotations: map[string]string{v1alpha1.TunnelPortAnnotation: tunnelRecord}}}, metav1.CreateOptions{})
	f.b.must(err)
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: "cloudcore-1", Labels: map[string]string{discoveryv1.LabelServiceName: "cloudcore"}},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for i, ip := range coreIPs {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{ip},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: ns, Name: fmt.Sprintf("cloudcore-%d", i)}})
	}
	_, err = f.client.DiscoveryV1().EndpointSlices(ns).Create(ctx, slice, metav1.CreateOptions{})
	f.b.must(err)
}

// heartbeat lets nodes renew what kubelets renew: half of the writes are statuses with
// new times, half are leases.
func (f *fleet) heartbeat(nodes, writes int) {
	f.each(writes, func(ctx context.Context, n int) error {
		name, now := nodeName((n/2)%nodes), time.Now()
		if n%2 == 0 {
			return f.patchStatus(ctx, name, map[string]any{"conditions": []any{
				map[string]any{"type": corev1.NodeReady, "lastHeartbeatTime": metav1.NewTime(now)}}})
		}
		micro := metav1.NewMicroTime(now)
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-"},
			Spec: coordinationv1.LeaseSpec{HolderIdentity: &name, RenewTime: &micro}}
		_, err := f.client.CoordinationV1().Leases(v1alpha1.KubeEdgeNamespace).Create(ctx, lease, metav1.CreateOptions{})
		return err
	})
}

// move gives the first nodes other addresses, which differ from round to round.
func (f *fleet) move(nodes, round int) {
	f.each(nodes, func(ctx context.Context, n int) error {
		return f.patchStatus(ctx, nodeName(n), map[string]any{"addresses": []any{
			map[string]any{"type": corev1.NodeInternalIP, "address": fmt.Sprintf("172.30.%d.%d", round, n+1)}}})
	})
}

func (f *fleet) patchStatus(ctx context.Context, name string, status map[string]any) error {
	body, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return fmt.Errorf("encode the status of node %s: %w", name, err)
	}
	_, err = f.client.CoreV1().Nodes().Patch(ctx, name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
	return err
}
