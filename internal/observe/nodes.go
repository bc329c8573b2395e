package observe

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// Roles of a node as the console tells them apart.
const (
	RoleEdge  = "edge"
	RoleCloud = "cloud"
)

// StateJoining is the state of a Node that edge-watcher created and whose device has
// not arrived yet.
const StateJoining = "Joining"

// States of a node's tunnel to CloudCore.
const (
	// TunnelConnected: a CloudCore gave the node its tunnel port and the node is Ready.
	TunnelConnected = "connected"
	// TunnelNever: the node still has the kubelet port that it registered with.
	TunnelNever = "notConnected"
	// TunnelLost: there was a tunnel, and the node is no longer Ready.
	TunnelLost = "lost"
	// TunnelNone: a cloud node, which needs none.
	TunnelNone = "none"
)

// Taint of a node.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// Condition of a node or pod.
type Condition struct {
	Type    string    `json:"type"`
	Status  string    `json:"status"`
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// Amount of compute: CPU in nanocores and memory in bytes.
type Amount struct {
	CPUNanoCores int64 `json:"cpuNanoCores"`
	MemoryBytes  int64 `json:"memoryBytes"`
}

// PodCount of a node.
type PodCount struct {
	Total     int    `json:"total"`
	Running   int    `json:"running" doc:"Pods in phase Running"`
	Active    int    `json:"active" doc:"Pods that have not ended"`
	Requested Amount `json:"requested" doc:"Sum of the requests of the active pods, as kubectl describe node adds them up"`
	Limits    Amount `json:"limits" doc:"Sum of their limits"`
}

// Node is one row of the node list.
type Node struct {
	Name             string     `json:"name"`
	Role             string     `json:"role" enum:"edge,cloud"`
	Address          string     `json:"address,omitempty" doc:"InternalIP"`
	Arch             string     `json:"arch"`
	State            string     `json:"state" enum:"Ready,NotReady,Unknown,Joining" doc:"Joining: the Node waits for its device"`
	StateReason      string     `json:"stateReason,omitempty"`
	StateMessage     string     `json:"stateMessage,omitempty"`
	Schedulable      bool       `json:"schedulable"`
	Group            string     `json:"group,omitempty" doc:"KubeEdge's node group"`
	Tunnel           string     `json:"tunnel" enum:"connected,notConnected,lost,none"`
	TunnelPort       int32      `json:"tunnelPort,omitempty" doc:"Kubelet port that the node reports"`
	Version          string     `json:"version"`
	OSImage          string     `json:"osImage,omitempty"`
	Kernel           string     `json:"kernel,omitempty"`
	ContainerRuntime string     `json:"containerRuntime,omitempty"`
	Taints           []Taint    `json:"taints"`
	Heartbeat        *time.Time `json:"heartbeat,omitempty"`
	Created          time.Time  `json:"created"`
	Allocatable      Amount     `json:"allocatable"`
	Pods             *PodCount  `json:"pods,omitempty" doc:"Absent when the user may not list pods"`
	Usage            Usage      `json:"usage"`
}

// NodeDetail is one node with everything that the detail page shows.
type NodeDetail struct {
	Node
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Conditions  []Condition       `json:"conditions"`
	Allocated   []Allocation      `json:"allocated,omitempty" doc:"As kubectl describe node shows them. Absent when the user may not list pods"`
}

// NodeOf turns a Kubernetes node into a row; Usage and Pods are for the caller.
func NodeOf(n *corev1.Node) Node {
	out := Node{
		Name:             n.Name,
		Role:             RoleCloud,
		Arch:             n.Status.NodeInfo.Architecture,
		Schedulable:      !n.Spec.Unschedulable,
		Group:            n.Labels[v1alpha1.LabelNodeGroup],
		Version:          n.Status.NodeInfo.KubeletVersion,
		OSImage:          n.Status.NodeInfo.OSImage,
		Kernel:           n.Status.NodeInfo.KernelVersion,
		ContainerRuntime: n.Status.NodeInfo.ContainerRuntimeVersion,
		Taints:           taintsOf(n.Spec.Taints),
		Created:          n.CreationTimestamp.Time,
		Allocatable:      amountOf(allocatableOf(n)),
	}
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			out.Address = a.Address
			break
		}
	}
	setState(&out, n)
	if _, edge := n.Labels[v1alpha1.LabelEdge]; edge {
		out.Role = RoleEdge
		out.TunnelPort = n.Status.DaemonEndpoints.KubeletEndpoint.Port
	}
	out.Tunnel = tunnelOf(out)
	return out
}

// NodeDetailOf turns a Kubernetes node into its detail page.
func NodeDetailOf(n *corev1.Node) NodeDetail {
	d := NodeDetail{
		Node:        NodeOf(n),
		Labels:      orEmpty(n.Labels),
		Annotations: orEmpty(n.Annotations),
		Conditions:  make([]Condition, 0, len(n.Status.Conditions)),
	}
	for _, c := range n.Status.Conditions {
		d.Conditions = append(d.Conditions, Condition{
			Type: string(c.Type), Status: string(c.Status), Reason: c.Reason,
			Message: c.Message, Since: c.LastTransitionTime.Time,
		})
	}
	return d
}

func setState(out *Node, n *corev1.Node) {
	if v1alpha1.ExpectedBy(n) != "" {
		out.State = StateJoining
		return
	}
	out.State = "Unknown"
	for _, c := range n.Status.Conditions {
		if c.Type != corev1.NodeReady {
			continue
		}
		switch c.Status {
		case corev1.ConditionTrue:
			out.State = "Ready"
		case corev1.ConditionFalse:
			out.State = "NotReady"
		}
		out.StateReason, out.StateMessage = c.Reason, c.Message
		if !c.LastHeartbeatTime.IsZero() {
			t := c.LastHeartbeatTime.Time
			out.Heartbeat = &t
		}
	}
}

// tunnelOf reads the tunnel's state from the kubelet port: CloudCore replaces the
// port that a node registers with as soon as it holds the node's tunnel, and
// nobody resets it, so a node that is not Ready has lost its tunnel.
func tunnelOf(n Node) string {
	switch {
	case n.Role != RoleEdge:
		return TunnelNone
	case n.TunnelPort == 0 || n.TunnelPort == v1alpha1.LogPort:
		return TunnelNever
	case n.State != "Ready":
		return TunnelLost
	}
	return TunnelConnected
}

func taintsOf(in []corev1.Taint) []Taint {
	out := make([]Taint, 0, len(in))
	for _, t := range in {
		out = append(out, Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)})
	}
	return out
}

func amountOf(l corev1.ResourceList) Amount {
	return Amount{CPUNanoCores: nanoCores(l.Cpu()), MemoryBytes: l.Memory().Value()}
}

// nanoCores converts a CPU quantity; it rounds up below one nanocore.
func nanoCores(q *resource.Quantity) int64 { return q.ScaledValue(resource.Nano) }

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
