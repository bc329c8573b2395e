package enroll

import (
	"maps"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

const (
	// DefaultLifetime of a join code.
	DefaultLifetime = time.Hour
	// MaxLifetime of a join code.
	MaxLifetime = 30 * 24 * time.Hour
	// DefaultRuntimeEndpoint is containerd's.
	DefaultRuntimeEndpoint = "unix:///run/containerd/containerd.sock"
)

// Request is what the join wizard asks for. Its JSON is the console's form.
type Request struct {
	NodeName string `json:"nodeName"`
	// Arch is amd64, arm64 or arm.
	Arch   string `json:"arch"`
	NodeIP string `json:"nodeIP"`
	// CloudCore with external numbers.
	CloudCore v1alpha1.CloudCoreAddress `json:"cloudCore"`
	// Labels, Taints and Components: nil takes the defaults, empty takes none.
	Labels          map[string]string        `json:"labels,omitempty"`
	Taints          []corev1.Taint           `json:"taints,omitempty"`
	Components      *v1alpha1.EdgeComponents `json:"components,omitempty"`
	RuntimeEndpoint string                   `json:"runtimeEndpoint,omitempty"`
	CgroupDriver    string                   `json:"cgroupDriver,omitempty"`
	// Lifetime of the code; 0 takes DefaultLifetime.
	Lifetime metav1.Duration `json:"lifetime,omitzero"`
}

// DefaultLabels is the label that the wizard proposes.
func DefaultLabels() map[string]string { return map[string]string{v1alpha1.LabelEdge: ""} }

// MendLabels empties the value of the edge label, which earlier versions set to "edge":
// CloudCore sends no pod to a node that has another value.
func MendLabels(labels map[string]string) map[string]string {
	if labels[v1alpha1.LabelEdge] == "" {
		return labels
	}
	out := maps.Clone(labels)
	out[v1alpha1.LabelEdge] = ""
	return out
}

// DefaultTaints is the taint that the wizard proposes.
func DefaultTaints() []corev1.Taint {
	return []corev1.Taint{{Key: v1alpha1.TaintEdge, Value: "edge", Effect: corev1.TaintEffectNoSchedule}}
}

// DefaultComponents is the wizard's choice: logs and metrics on, mesh off, event
// bus on.
func DefaultComponents() v1alpha1.EdgeComponents {
	return v1alpha1.EdgeComponents{EdgeStream: true, EdgeMesh: false, EventBus: true}
}

// WithDefaults fills what was left out.
func (r Request) WithDefaults() Request {
	if r.Labels == nil {
		r.Labels = DefaultLabels()
	}
	if r.Taints == nil {
		r.Taints = DefaultTaints()
	}
	if r.Components == nil {
		c := DefaultComponents()
		r.Components = &c
	}
	if r.Lifetime.Duration == 0 {
		r.Lifetime.Duration = DefaultLifetime
	}
	if r.Arch == "" {
		r.Arch = "amd64"
	}
	// One way to write an address, so that it is found again.
	if a, err := netip.ParseAddr(r.NodeIP); err == nil {
		r.NodeIP = a.String()
	}
	return r
}

// spec is the enrollment for a complete request.
func (r Request) spec(codeHash string) v1alpha1.EdgeEnrollmentSpec {
	return v1alpha1.EdgeEnrollmentSpec{
		NodeName: r.NodeName, Arch: r.Arch, NodeIP: r.NodeIP, CodeHash: codeHash,
		Lifetime: &metav1.Duration{Duration: r.Lifetime.Duration}, CloudCore: r.CloudCore,
		Labels: r.Labels, Taints: r.Taints, Components: *r.Components,
		RuntimeEndpoint: r.RuntimeEndpoint, CgroupDriver: r.CgroupDriver,
		State: v1alpha1.StateActive,
	}
}
