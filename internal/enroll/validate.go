package enroll

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

const (
	maxLabels = 64
	maxTaints = 32
)

var (
	runtimeEndpoint = regexp.MustCompile(`^unix:///[A-Za-z0-9_./-]+$`)
	archs           = map[string]bool{"amd64": true, "arm64": true, "arm": true}
	effects         = map[corev1.TaintEffect]bool{corev1.TaintEffectNoSchedule: true,
		corev1.TaintEffectPreferNoSchedule: true, corev1.TaintEffectNoExecute: true}
)

// Validate finds everything wrong with the request by itself, without asking a
// cluster. Every value that reaches a command, a script or a file at the device
// passes here, and again where it is used.
func (r Request) Validate() Problems {
	var p Problems
	p.nodeName(r.NodeName)
	if !archs[r.Arch] {
		p.add("arch", r.Arch, "Invalid", "is not an architecture that can join", "choose amd64, arm64 or arm")
	}
	p.nodeIP(r.NodeIP)
	p.cloudCore(r.CloudCore, r.Components)
	p.labels(r.Labels)
	p.taints(r.Taints)
	if r.RuntimeEndpoint != "" && (!runtimeEndpoint.MatchString(r.RuntimeEndpoint) || strings.Contains(r.RuntimeEndpoint, "..")) {
		p.add("runtimeEndpoint", r.RuntimeEndpoint, "Invalid", "is not the address of a local socket",
			"leave it empty for containerd, or write unix:///path/to/socket")
	}
	if d := r.CgroupDriver; d != "" && d != "cgroupfs" && d != "systemd" {
		p.add("cgroupDriver", d, "Invalid", "is not a cgroup driver", "choose cgroupfs or systemd, or leave it empty")
	}
	if d := r.Lifetime.Duration; d < 0 || d > MaxLifetime {
		p.add("lifetime", d.String(), "Invalid", "is out of range", "choose up to "+MaxLifetime.String())
	}
	return p
}

// ValidateSpec is Validate for an enrollment that exists: it may have been written
// by other hands than New's.
func ValidateSpec(spec *v1alpha1.EdgeEnrollmentSpec) Problems {
	r := Request{NodeName: spec.NodeName, Arch: spec.Arch, NodeIP: spec.NodeIP, CloudCore: spec.CloudCore,
		Labels: spec.Labels, Taints: spec.Taints, Components: &spec.Components,
		RuntimeEndpoint: spec.RuntimeEndpoint, CgroupDriver: spec.CgroupDriver}
	return r.Validate()
}

func (p *Problems) add(field, value, code, message, remedy string) {
	*p = append(*p, Problem{Field: field, Value: value, Code: code, Message: message, Remedy: remedy})
}

func (p *Problems) nodeName(name string) {
	if name == "" {
		p.add("nodeName", name, "Required", "is missing", "enter a name like jetson-xavier")
		return
	}
	if errs := validation.IsDNS1123Subdomain(name); len(errs) > 0 {
		p.add("nodeName", name, "Invalid", "is not a node name",
			"use lower-case letters, digits, '-' and '.', at most 63, beginning and ending with a letter or digit")
		return
	}
	// A Node may have a longer name, but EdgeCore sets the name as value of label
	// kubernetes.io/hostname, and the API server then refuses the Node.
	if len(validation.IsValidLabelValue(name)) > 0 {
		p.add("nodeName", name, "Invalid", fmt.Sprintf("has %d characters; the Node carries it as a label value, which has at most %d", len(name), validation.LabelValueMaxLength),
			"choose a shorter name")
	}
}

// nodeIP refuses what can never be an edge node's own address. What is taken in
// a cluster is edge-watcher's to decide.
func (p *Problems) nodeIP(ip string) {
	if ip == "" {
		p.add("nodeIP", ip, "Required", "is missing", "enter an address like 192.168.100.1, unique among the edge nodes")
		return
	}
	if err := CheckAddress(ip); err != nil {
		p.add("nodeIP", ip, "Invalid", err.Error(), "enter an address like 192.168.100.1, unique among the edge nodes")
	}
}

// CheckAddress refuses addresses that no edge node can have.
func CheckAddress(ip string) error {
	a, err := netip.ParseAddr(ip)
	switch {
	case err != nil || a.Zone() != "":
		return fmt.Errorf("is not an IP address")
	case a.IsUnspecified(), a.IsLoopback(), a.IsLinkLocalUnicast(), a.IsMulticast(), a.Is4In6(),
		a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("is an unspecified, loopback, link-local, multicast, broadcast or mapped address")
	case !v1alpha1.CanRoute(a):
		return fmt.Errorf("is in a network that no host has its address from")
	}
	return nil
}

func (p *Problems) cloudCore(c v1alpha1.CloudCoreAddress, components *v1alpha1.EdgeComponents) {
	if c.Host == "" {
		p.add("cloudCore.host", "", "Required", "is missing", "enter the address that edge nodes reach CloudCore at")
	} else if !validHost(c.Host) {
		p.add("cloudCore.host", c.Host, "Invalid", "is neither an IP address nor a DNS name", "enter one, without port and scheme")
	}
	p.port("cloudCore.webSocketPort", c.WebSocketPort, true)
	p.port("cloudCore.certPort", c.CertPort, true)
	p.port("cloudCore.quicPort", c.QUICPort, false)
	p.port("cloudCore.tunnelPort", c.TunnelPort, components != nil && components.EdgeStream)
}

// validHost wants a DNS name or an address, and nothing that a shell or a URL
// reads otherwise.
func validHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Zone() == "" && !a.IsUnspecified()
	}
	return len(validation.IsDNS1123Subdomain(strings.ToLower(host))) == 0
}

func (p *Problems) port(field string, port int32, required bool) {
	if port == 0 && !required {
		return
	}
	if port < 1 || port > 65535 {
		p.add(field, strconv.Itoa(int(port)), "Invalid", "is not a port", "enter 1 to 65535, the number seen from outside")
	}
}

func (p *Problems) labels(labels map[string]string) {
	if len(labels) > maxLabels {
		p.add("labels", strconv.Itoa(len(labels)), "TooMany", "are too many labels", fmt.Sprintf("use at most %d", maxLabels))
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		value, field := labels[key], "labels["+key+"]"
		if errs := validation.IsQualifiedName(key); len(errs) > 0 {
			p.add(field, key, "Invalid", "is not a label key: "+errs[0], "use letters, digits, '-', '_', '.', with an optional DNS prefix and '/'")
		} else if !LabelAllowed(key) {
			p.add(field, key, "Reserved", "belongs to Kubernetes", "use a prefix of your own; of Kubernetes' only the edge and agent roles can be set")
		}
		if key == v1alpha1.LabelEdge && value != "" {
			p.add(field, value, "EdgeLabelValue", "would keep every pod off the node: CloudCore serves only nodes whose value of this label is empty", "leave the value empty")
		} else if errs := validation.IsValidLabelValue(value); len(errs) > 0 {
			p.add(field, value, "Invalid", "is not a label value: "+errs[0], "use at most 63 letters, digits, '-', '_', '.'")
		}
	}
}

// LabelAllowed says whether an enrollment may set this label on a node: anything
// outside kubernetes.io and k8s.io, and the two edge roles. Labels of those
// domains decide what else is scheduled or trusted there.
func LabelAllowed(key string) bool {
	if key == v1alpha1.LabelEdge || key == v1alpha1.LabelAgent {
		return true
	}
	prefix, _, found := strings.Cut(key, "/")
	if !found {
		return true
	}
	for _, domain := range []string{"kubernetes.io", "k8s.io"} {
		if prefix == domain || strings.HasSuffix(prefix, "."+domain) {
			return false
		}
	}
	return true
}

func (p *Problems) taints(taints []corev1.Taint) {
	if len(taints) > maxTaints {
		p.add("taints", strconv.Itoa(len(taints)), "TooMany", "are too many taints", fmt.Sprintf("use at most %d", maxTaints))
	}
	seen := map[string]bool{}
	for i, t := range taints {
		field := fmt.Sprintf("taints[%d]", i)
		switch {
		case len(validation.IsQualifiedName(t.Key)) > 0:
			p.add(field+".key", t.Key, "Invalid", "is not a taint key", "use letters, digits, '-', '_', '.', with an optional DNS prefix and '/'")
		case !LabelAllowed(t.Key):
			p.add(field+".key", t.Key, "Reserved", "belongs to Kubernetes", "use a prefix of your own, or node.kubeedge.io")
		}
		if len(validation.IsValidLabelValue(t.Value)) > 0 {
			p.add(field+".value", t.Value, "Invalid", "is not a taint value", "use at most 63 letters, digits, '-', '_', '.'")
		}
		if !effects[t.Effect] {
			p.add(field+".effect", string(t.Effect), "Invalid", "is not an effect", "choose NoSchedule, PreferNoSchedule or NoExecute")
		}
		if id := t.Key + ":" + string(t.Effect); seen[id] {
			p.add(field, id, "Duplicate", "is there twice", "keep one")
		} else {
			seen[id] = true
		}
	}
}
