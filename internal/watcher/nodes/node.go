package nodes

import (
	"encoding/json"
	"hash/maphash"
	"net/netip"
	"slices"
	"unique"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
)

// Node is what is kept of a Kubernetes Node: a few hundred bytes of some 8 KiB.
type Node struct {
	routes.Node
	// Routed is its condition EdgewayRouted, which is our own.
	Routed Condition
	// followed stands for what an enrollment follows: readiness, cordon, labels, taints.
	followed uint64
}

// Condition is a Node's condition without its message, of which it can only be said
// whether it is a certain one.
type Condition struct {
	// Status is empty when the Node does not have the condition.
	Status corev1.ConditionStatus
	Reason string
	// Since is when the status changed last.
	Since   metav1.Time
	message uint64
}

// Present says whether the Node has the condition.
func (c Condition) Present() bool { return c.Status != "" }

// Is says whether the condition says just that.
func (c Condition) Is(status corev1.ConditionStatus, reason, message string) bool {
	return c.Status == status && c.Reason == reason && c.message == digest(message)
}

// same is equality, the time aside.
func (c Condition) same(other Condition) bool {
	return c.Status == other.Status && c.Reason == other.Reason && c.message == other.message
}

var seed = maphash.MakeSeed()

func digest(text string) uint64 { return maphash.String(seed, text) }

// Of keeps what matters of a Node.
func Of(node *corev1.Node) *Node {
	return &Node{Node: routing(node), Routed: routed(node), followed: followed(node)}
}

func routing(node *corev1.Node) routes.Node {
	out := routes.Node{
		Name:        node.Name,
		UID:         string(node.UID),
		Created:     node.CreationTimestamp.Time,
		Edge:        IsEdge(node),
		KubeletPort: node.Status.DaemonEndpoints.KubeletEndpoint.Port,
	}
	out.ExpectedBy = v1alpha1.ExpectedBy(node)
	for _, addr := range node.Status.Addresses {
		// An edge node's external address is nobody's concern here; a cloud node's
		// must not be drawn into a tunnel.
		if addr.Type == corev1.NodeInternalIP || (!out.Edge && addr.Type == corev1.NodeExternalIP) {
			out.Addresses = append(out.Addresses, addr.Address)
		}
	}
	for _, text := range podCIDRs(node) {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			out.PodCIDRs = append(out.PodCIDRs, prefix)
		}
	}
	return out
}

func podCIDRs(node *corev1.Node) []string {
	if len(node.Spec.PodCIDRs) > 0 || node.Spec.PodCIDR == "" {
		return node.Spec.PodCIDRs
	}
	return []string{node.Spec.PodCIDR}
}

// IsEdge says whether KubeEdge made the Node.
func IsEdge(node *corev1.Node) bool {
	_, found := node.Labels[v1alpha1.LabelEdge]
	return found
}

// RoutedCondition finds condition EdgewayRouted; nil when there is none.
func RoutedCondition(node *corev1.Node) *corev1.NodeCondition {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == v1alpha1.ConditionRouted {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

func routed(node *corev1.Node) Condition {
	c := RoutedCondition(node)
	if c == nil {
		return Condition{}
	}
	return Condition{Status: intern(c.Status), Reason: intern(c.Reason), Since: c.LastTransitionTime, message: digest(c.Message)}
}

// intern keeps one copy of a text that many Nodes have, since each of them came off the
// wire with its own.
func intern[T ~string](text T) T { return T(unique.Make(string(text)).Value()) }

func followed(node *corev1.Node) uint64 {
	ready := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
	text, err := json.Marshal([]any{ready, v1alpha1.ExpectedBy(node), node.Spec.Unschedulable, node.Labels, node.Spec.Taints})
	if err != nil {
		panic(err) // cannot be: these are plain values
	}
	return maphash.Bytes(seed, text)
}

// sameRouting says whether two states of a Node ask for the same route. Heartbeats,
// images, capacity and readiness do not matter.
func sameRouting(a, b *routes.Node) bool {
	return a.UID == b.UID && a.Edge == b.Edge && a.ExpectedBy == b.ExpectedBy && a.KubeletPort == b.KubeletPort &&
		slices.Equal(a.Addresses, b.Addresses) && slices.Equal(a.PodCIDRs, b.PodCIDRs)
}
