package kubelet

import (
	"maps"
	"slices"

	"github.com/edgeway-io/edgeway/internal/samples"
)

// The methods below fill a point of the summary with cAdvisor's figures, and do
// nothing where there are none.

func (c *CAdvisor) node(p *samples.Point) {
	if c == nil {
		return
	}
	if g := newest(c.nodes[key{}]); g != nil {
		g.fillDisk(p)
		g.fillDevices(p)
	}
}

// pod: the sandbox, which has an image, knows the pod's network; the pod's own
// cgroup knows what all its containers read and wrote.
func (c *CAdvisor) pod(p *samples.Point, namespace, name string) {
	if c == nil {
		return
	}
	groups := c.pods[key{namespace: namespace, pod: name}]
	if g := newest(groups, func(g *group) bool { return len(g.networks) > 0 }); g != nil {
		g.fillNetwork(p)
	}
	if g := newest(groups, func(g *group) bool { return g.image == "" && g.diskAt != 0 }); g != nil {
		g.fillDisk(p)
	}
}

func (c *CAdvisor) container(p *samples.Point, namespace, pod, name string) {
	if c == nil {
		return
	}
	if g := newest(c.containers[key{namespace: namespace, pod: pod, container: name}]); g != nil {
		g.fillDisk(p)
		g.fillDevices(p)
	}
}

// newest of the groups that pass all filters; nil when none does.
func newest(groups []*group, filters ...func(*group) bool) *group {
	var best *group
next:
	for _, g := range groups {
		for _, pass := range filters {
			if !pass(g) {
				continue next
			}
		}
		if best == nil || g.seen > best.seen {
			best = g
		}
	}
	return best
}

func (g *group) fillDisk(p *samples.Point) {
	if g.diskAt != 0 {
		p.DiskAt = g.diskAt
	}
	for field, value := range g.disk {
		v := uint64(value)
		p.Set(field, &v)
	}
}

func (g *group) fillDevices(p *samples.Point) {
	for _, name := range slices.Sorted(maps.Keys(g.devices)) {
		p.Filesystems = append(p.Filesystems, *g.devices[name])
	}
}

// fillNetwork takes over the counters of eth0, the interface that the summary
// means, unless the summary's are younger. The summary's time is cut to its second,
// so anything from that second on is at least as young.
func (g *group) fillNetwork(p *samples.Point) {
	n := g.networks["eth0"]
	if n.rx == nil || n.tx == nil || n.at < p.NetworkAt {
		return
	}
	p.NetworkAt = n.at
	p.Set(samples.NetworkRxBytes, n.rx)
	p.Set(samples.NetworkTxBytes, n.tx)
}
