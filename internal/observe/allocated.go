package observe

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	podresources "k8s.io/component-helpers/resource"
)

// PodUse is what a pod takes of the node that it is bound to.
type PodUse struct {
	Node    string
	Running bool
	// Active is false for a pod that has ended, which requests nothing.
	Active    bool
	Requested Amount
	Limits    Amount
}

// PodUseOf is empty for a pod that is not bound yet.
func PodUseOf(p *corev1.Pod) PodUse {
	u := PodUse{Node: p.Spec.NodeName, Running: p.Status.Phase == corev1.PodRunning, Active: !ended(p)}
	if u.Active {
		requests, limits := resourcesOf(p)
		u.Requested, u.Limits = amountOf(requests), amountOf(limits)
	}
	return u
}

// PodUses are those of a list.
func PodUses(pods []corev1.Pod) []PodUse {
	out := make([]PodUse, 0, len(pods))
	for i := range pods {
		out = append(out, PodUseOf(&pods[i]))
	}
	return out
}

func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// resourcesOf adds up a pod as the scheduler and kubectl describe node do: the larger of
// init containers and containers, sidecars to both, resources of the pod as a whole in
// their place, and overhead.
func resourcesOf(p *corev1.Pod) (requests, limits corev1.ResourceList) {
	return podresources.PodRequests(p, podresources.PodResourcesOptions{}), podresources.PodLimits(p, podresources.PodResourcesOptions{})
}

// CountPods sums pods per node name.
func CountPods(pods []PodUse) map[string]*PodCount {
	out := map[string]*PodCount{}
	for _, u := range pods {
		if u.Node == "" {
			continue
		}
		c := out[u.Node]
		if c == nil {
			c = &PodCount{}
			out[u.Node] = c
		}
		c.Total++
		if u.Running {
			c.Running++
		}
		if u.Active {
			c.Active++
		}
		c.Requested.add(u.Requested)
		c.Limits.add(u.Limits)
	}
	return out
}

func (a *Amount) add(b Amount) {
	a.CPUNanoCores += b.CPUNanoCores
	a.MemoryBytes += b.MemoryBytes
}

// Allocation is a line of "Allocated resources" in kubectl describe node, with the same
// quantities and percentages.
type Allocation struct {
	Resource        string `json:"resource" doc:"cpu, memory, ephemeral-storage, then hugepages and extended resources"`
	Requests        string `json:"requests" doc:"Sum of the requests of all pods that have not ended, as a quantity"`
	RequestsPercent *int64 `json:"requestsPercent,omitempty" doc:"Of what is allocatable; absent for extended resources"`
	Limits          string `json:"limits" doc:"Sum of the limits; it may be over 100 percent"`
	LimitsPercent   *int64 `json:"limitsPercent,omitempty"`
}

// AllocatedOf sums the pods of a node.
func AllocatedOf(n *corev1.Node, pods []corev1.Pod) []Allocation {
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	for i := range pods {
		if ended(&pods[i]) {
			continue
		}
		r, l := resourcesOf(&pods[i])
		addAll(requests, r)
		addAll(limits, l)
	}
	allocatable := allocatableOf(n)
	names := []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage}
	relative := len(names)
	var extended []corev1.ResourceName
	for _, name := range slices.Sorted(maps.Keys(allocatable)) {
		switch {
		case slices.Contains(names, name), name == corev1.ResourcePods:
		case strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix):
			names = append(names, name)
			relative++
		default:
			extended = append(extended, name)
		}
	}
	out := make([]Allocation, 0, len(names)+len(extended))
	for i, name := range append(names, extended...) {
		request, limit, whole := requests[name], limits[name], allocatable[name]
		a := Allocation{Resource: string(name), Requests: request.String(), Limits: limit.String()}
		if i < relative {
			a.RequestsPercent, a.LimitsPercent = percent(name, request, whole), percent(name, limit, whole)
		}
		out = append(out, a)
	}
	return out
}

// allocatableOf is what pods may have of a node. A node that has not said is given its
// capacity, as kubectl does.
func allocatableOf(n *corev1.Node) corev1.ResourceList {
	if len(n.Status.Allocatable) > 0 {
		return n.Status.Allocatable
	}
	return n.Status.Capacity
}

func addAll(to, from corev1.ResourceList) {
	for name, q := range from {
		sum, there := to[name]
		if !there {
			to[name] = q.DeepCopy()
			continue
		}
		sum.Add(q)
		to[name] = sum
	}
}

// percent is cut to a whole number, as kubectl prints it; 0 of a whole that is 0.
func percent(name corev1.ResourceName, part, whole resource.Quantity) *int64 {
	value := func(q resource.Quantity) float64 { return float64(q.Value()) }
	if name == corev1.ResourceCPU {
		value = func(q resource.Quantity) float64 { return float64(q.MilliValue()) }
	}
	var out int64
	if of := value(whole); of != 0 {
		out = int64(value(part) / of * 100)
	}
	return &out
}
