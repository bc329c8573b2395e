package kubelet

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"

	"github.com/edgeway-io/edgeway/internal/samples"
)

// ErrBadAnswer says that what came is not the statistics of the node that was asked.
var ErrBadAnswer = errors.New("not the node's statistics")

// Reading is what was measured on a node at one time.
type Reading struct {
	Node samples.Point
	Pods []Pod
}

// Pod of a Reading.
type Pod struct {
	Namespace, Name string
	Point           samples.Point
	Containers      []Container
}

// Container of a Pod.
type Container struct {
	Name  string
	Point samples.Point
}

// Parse joins a summary with cAdvisor's figures, which may be nil. The summary must
// be node's: where two edge nodes share an address, the other one may answer.
func Parse(summary []byte, disk *CAdvisor, node string) (Reading, error) {
	var s stats.Summary
	if err := json.Unmarshal(summary, &s); err != nil {
		return Reading{}, fmt.Errorf("%w: the summary is no JSON but %q", ErrBadAnswer, shorten(summary))
	}
	if s.Node.NodeName != node {
		return Reading{}, fmt.Errorf("%w: node %q answered for %q; do two nodes report one address?", ErrBadAnswer, s.Node.NodeName, node)
	}
	r := Reading{Node: nodePoint(&s.Node)}
	disk.node(&r.Node)
	for i := range s.Pods {
		r.Pods = append(r.Pods, podOf(&s.Pods[i], disk))
	}
	return r, nil
}

func shorten(b []byte) string {
	const most = 160
	return strings.TrimSpace(string(b[:min(len(b), most)]))
}

func nodePoint(n *stats.NodeStats) samples.Point {
	p := point(n.CPU, n.Memory, n.Swap)
	setNetwork(&p, n.Network)
	setFilesystem(&p, n.Fs)
	if n.Runtime != nil && n.Runtime.ImageFs != nil {
		p.Filesystems = append(p.Filesystems, filesystem("images", "image", n.Runtime.ImageFs))
	}
	return p
}

func podOf(s *stats.PodStats, disk *CAdvisor) Pod {
	pod := Pod{Namespace: s.PodRef.Namespace, Name: s.PodRef.Name, Point: point(s.CPU, s.Memory, s.Swap)}
	setNetwork(&pod.Point, s.Network)
	setFilesystem(&pod.Point, s.EphemeralStorage)
	for i := range s.VolumeStats {
		v := &s.VolumeStats[i]
		pod.Point.Filesystems = append(pod.Point.Filesystems, filesystem(v.Name, "volume", &v.FsStats))
	}
	disk.pod(&pod.Point, pod.Namespace, pod.Name)
	for i := range s.Containers {
		c := &s.Containers[i]
		p := point(c.CPU, c.Memory, c.Swap)
		setFilesystem(&p, c.Rootfs)
		if c.Rootfs != nil {
			p.Filesystems = append(p.Filesystems, filesystem("rootfs", "rootfs", c.Rootfs))
		}
		if c.Logs != nil {
			p.Filesystems = append(p.Filesystems, filesystem("logs", "logs", c.Logs))
		}
		disk.container(&p, pod.Namespace, pod.Name, c.Name)
		shareNetwork(&p, &pod.Point)
		pod.Containers = append(pod.Containers, Container{Name: c.Name, Point: p})
	}
	return pod
}

// shareNetwork gives a container its pod's figures: they have one network between them.
func shareNetwork(container, pod *samples.Point) {
	container.NetworkAt = pod.NetworkAt
	for _, f := range []samples.Field{samples.NetworkRxBytes, samples.NetworkTxBytes} {
		if v, ok := pod.Get(f); ok {
			container.Set(f, &v)
		}
	}
}

func point(cpu *stats.CPUStats, memory *stats.MemoryStats, swap *stats.SwapStats) samples.Point {
	var p samples.Point
	if cpu != nil {
		p.At = milli(cpu.Time)
		p.Set(samples.CPUUsageNanoCores, cpu.UsageNanoCores)
		p.Set(samples.CPUUsageCoreNanoSeconds, cpu.UsageCoreNanoSeconds)
	}
	if memory != nil {
		if p.At == 0 {
			p.At = milli(memory.Time)
		}
		p.Set(samples.MemoryUsageBytes, memory.UsageBytes)
		p.Set(samples.MemoryWorkingSetBytes, memory.WorkingSetBytes)
	}
	if swap != nil {
		p.Set(samples.SwapUsageBytes, swap.SwapUsageBytes)
	}
	return p
}

func setNetwork(p *samples.Point, n *stats.NetworkStats) {
	if n == nil {
		return
	}
	p.NetworkAt = milli(n.Time)
	p.Set(samples.NetworkRxBytes, n.RxBytes)
	p.Set(samples.NetworkTxBytes, n.TxBytes)
}

func setFilesystem(p *samples.Point, fs *stats.FsStats) {
	if fs == nil {
		return
	}
	p.Set(samples.FilesystemAvailableBytes, fs.AvailableBytes)
	p.Set(samples.FilesystemCapacityBytes, fs.CapacityBytes)
	p.Set(samples.FilesystemUsedBytes, fs.UsedBytes)
}

func filesystem(name, kind string, fs *stats.FsStats) samples.Filesystem {
	return samples.Filesystem{Name: name, Kind: kind, AvailableBytes: fs.AvailableBytes, CapacityBytes: fs.CapacityBytes, UsedBytes: fs.UsedBytes}
}

func milli(t metav1.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Truncate(time.Millisecond).UnixMilli()
}
