package kubelet

import (
	"errors"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/internal/samples"
)

const summary = `{
 "node": {"nodeName": "edge-1",
  "cpu": {"time": "2026-01-02T03:04:05Z", "usageNanoCores": 100, "usageCoreNanoSeconds": 18446744073709551615},
  "memory": {"time": "2026-01-02T03:04:05Z", "usageBytes": 200, "workingSetBytes": 150},
  "network": {"time": "2026-01-02T03:04:05Z", "name": "eth0", "rxBytes": 10, "txBytes": 20},
  "fs": {"time": "2026-01-02T03:04:05Z", "availableBytes": 1, "capacityBytes": 3, "usedBytes": 2},
  "swap": {"time": "2026-01-02T03:04:05Z", "swapUsageBytes": 0}},
 "pods": [{"podRef": {"name": "web-1", "namespace": "shop", "uid": "u"},
  "cpu": {"time": "2026-01-02T03:04:04Z", "usageNanoCores": 7, "usageCoreNanoSeconds": 70},
  "memory": {"time": "2026-01-02T03:04:04Z", "usageBytes": 8, "workingSetBytes": 6},
  "network": {"time": "2026-01-02T03:04:04Z", "name": "eth0", "rxBytes": 5, "txBytes": 6},
  "ephemeral-storage": {"time": "2026-01-02T03:04:04Z", "availableBytes": 11, "capacityBytes": 13, "usedBytes": 12},
  "volume": [{"name": "data", "time": "2026-01-02T03:04:04Z", "availableBytes": 21, "capacityBytes": 23, "usedBytes": 22}],
  "containers": [
   {"name": "app", "cpu": {"time": "2026-01-02T03:04:03Z", "usageNanoCores": 4}, "memory": {"time": "2026-01-02T03:04:03Z", "workingSetBytes": 5},
    "rootfs": {"time": "2026-01-02T03:04:03Z", "usedBytes": 31}, "logs": {"time": "2026-01-02T03:04:03Z", "usedBytes": 32}},
   {"name": "side", "memory": {"time": "2026-01-02T03:04:02Z", "workingSetBytes": 1}}]}]}`

// The older of two cgroups of container app comes last, and families alternate.
const cadvisor = `# HELP container_fs_writes_bytes_total Cumulative count of bytes written
# TYPE container_fs_writes_bytes_total counter
container_fs_writes_bytes_total{container="",device="/dev/vda",id="/",image="",name="",namespace="",pod=""} 900 1767323045100
container_fs_writes_bytes_total{container="",device="/dev/vda",id="/kubepods/pod1",image="",name="",namespace="shop",pod="web-1"} 44 1767323044500
container_fs_writes_bytes_total{container="app",device="/dev/vda",id="/kubepods/pod1/new",image="i",name="n",namespace="shop",pod="web-1"} 40 1767323044600
container_fs_writes_bytes_total{container="app",device="/dev/vdb",id="/kubepods/pod1/new",image="i",name="n",namespace="shop",pod="web-1"} 2 1767323044600
container_fs_writes_bytes_total{container="app",device="/dev/vda",id="/kubepods/pod1/old",image="i",name="n",namespace="shop",pod="web-1"} 5000 1767323000000
container_fs_reads_bytes_total{container="app",device="/dev/vda",id="/kubepods/pod1/new",image="i",name="n",namespace="shop",pod="web-1"} 3 1767323044600
container_fs_reads_bytes_total{container="app",device="/dev/vda",id="/kubepods/pod1/old",image="i",name="n",namespace="shop",pod="web-1"} 6000 1767323000000
container_fs_writes_total{container="app",device="/dev/vda",id="/kubepods/pod1/new",image="i",name="n",namespace="shop",pod="web-1"} 9 1767323044600
container_fs_usage_bytes{container="",device="/dev/vda",id="/",image="",name="",namespace="",pod=""} 70 1767323045100
container_fs_usage_bytes{container="",device="/run",id="/",image="",name="",namespace="",pod=""} 1 1767323045100
container_fs_usage_bytes{container="",device="overlay_0-9",id="/",image="",name="",namespace="",pod=""} 1 1767323045100
container_fs_limit_bytes{container="",device="/dev/vda",id="/",image="",name="",namespace="",pod=""} 100 1767323045100
container_network_receive_bytes_total{container="",id="/kubepods/pod1/pause",image="p",interface="eth0",name="n",namespace="shop",pod="web-1"} 50 1767323044250
container_network_transmit_bytes_total{container="",id="/kubepods/pod1/pause",image="p",interface="eth0",name="n",namespace="shop",pod="web-1"} 60 1767323044250
container_cpu_usage_seconds_total{container="",cpu="total",id="/",image="",name="",namespace="",pod=""} 1 1767323045100
`

func parse(t *testing.T) Reading {
	t.Helper()
	disk, err := ParseCAdvisor([]byte(cadvisor))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Parse([]byte(summary), disk, "edge-1")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// want checks fields of a point; -1 stands for absent.
func want(t *testing.T, what string, p samples.Point, fields map[samples.Field]int64) {
	t.Helper()
	for f, value := range fields {
		got, ok := p.Get(f)
		if value < 0 && ok || value >= 0 && (!ok || got != uint64(value)) {
			t.Errorf("%s: field %d is %d (%v), want %d", what, f, got, ok, value)
		}
	}
}

func TestNodeFigures(t *testing.T) {
	n := parse(t).Node
	if got, _ := n.Get(samples.CPUUsageCoreNanoSeconds); got != 18446744073709551615 {
		t.Errorf("CPU time %d lost digits", got)
	}
	want(t, "node", n, map[samples.Field]int64{
		samples.CPUUsageNanoCores: 100, samples.MemoryUsageBytes: 200, samples.MemoryWorkingSetBytes: 150, samples.SwapUsageBytes: 0,
		samples.NetworkRxBytes: 10, samples.NetworkTxBytes: 20,
		samples.FilesystemAvailableBytes: 1, samples.FilesystemCapacityBytes: 3, samples.FilesystemUsedBytes: 2,
		samples.DiskWriteBytes: 900, samples.DiskReadBytes: -1,
	})
	if len(n.Filesystems) != 1 || n.Filesystems[0].Name != "/dev/vda" || *n.Filesystems[0].UsedBytes != 70 || *n.Filesystems[0].CapacityBytes != 100 {
		t.Errorf("filesystems %+v, want /dev/vda alone", n.Filesystems)
	}
	if at := time.UnixMilli(n.At).UTC(); !at.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("measured at %v", at)
	}
}

func TestPodFigures(t *testing.T) {
	pod := parse(t).Pods[0]
	want(t, "pod", pod.Point, map[samples.Field]int64{
		samples.CPUUsageNanoCores: 7, samples.CPUUsageCoreNanoSeconds: 70, samples.MemoryUsageBytes: 8, samples.MemoryWorkingSetBytes: 6,
		samples.NetworkRxBytes: 50, samples.NetworkTxBytes: 60, // cAdvisor's are younger
		samples.FilesystemAvailableBytes: 11, samples.FilesystemCapacityBytes: 13, samples.FilesystemUsedBytes: 12,
		samples.DiskWriteBytes: 44, samples.SwapUsageBytes: -1,
	})
	if pod.Point.NetworkAt != 1767323044250 {
		t.Errorf("network at %d, want cAdvisor's time", pod.Point.NetworkAt)
	}
	if fs := pod.Point.Filesystems; len(fs) != 1 || fs[0].Kind != "volume" || fs[0].Name != "data" || *fs[0].UsedBytes != 22 {
		t.Errorf("volumes %+v", fs)
	}
}

func TestContainerFigures(t *testing.T) {
	app, side := parse(t).Pods[0].Containers[0], parse(t).Pods[0].Containers[1]
	want(t, "app", app.Point, map[samples.Field]int64{
		samples.CPUUsageNanoCores: 4, samples.CPUUsageCoreNanoSeconds: -1, samples.MemoryWorkingSetBytes: 5, samples.MemoryUsageBytes: -1,
		samples.NetworkRxBytes: 50, samples.FilesystemUsedBytes: 31,
		samples.DiskWriteBytes: 42, samples.DiskReadBytes: 3, samples.DiskWrites: 9, samples.DiskReads: -1,
	})
	if app.Point.DiskAt != 1767323044600 {
		t.Errorf("disk at %d", app.Point.DiskAt)
	}
	if fs := app.Point.Filesystems; len(fs) != 2 || fs[0].Kind != "rootfs" || fs[1].Kind != "logs" {
		t.Errorf("filesystems %+v", fs)
	}
	want(t, "side", side.Point, map[samples.Field]int64{samples.CPUUsageNanoCores: -1, samples.DiskWriteBytes: -1, samples.MemoryWorkingSetBytes: 1})
	if side.Point.At == 0 {
		t.Error("a container without CPU figures has no time")
	}
}

// CloudStream answers 200 whatever happens: an error's text comes as the body.
func TestWhatIsNoSummary(t *testing.T) {
	for name, text := range map[string]string{
		"text of an error": "404 page not found", "nothing": "", "another node's": `{"node":{"nodeName":"edge-2"}}`, "other JSON": `{"kind":"Status"}`,
	} {
		if _, err := Parse([]byte(text), nil, "edge-1"); !errors.Is(err, ErrBadAnswer) {
			t.Errorf("%s: %v, want ErrBadAnswer", name, err)
		}
	}
	if _, err := ParseCAdvisor([]byte("container_fs_reads_total{broken")); !errors.Is(err, ErrBadAnswer) {
		t.Errorf("broken metrics: %v", err)
	}
	if _, err := Parse([]byte(summary), nil, "edge-1"); err != nil {
		t.Errorf("without cAdvisor: %v", err)
	}
}
