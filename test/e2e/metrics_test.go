//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"

	"github.com/edgeway-io/edgeway/internal/observe"
	"github.com/edgeway-io/edgeway/internal/samples"
)

func nodeSamples(c console, node string) (samples.NodeSamples, error) {
	var out samples.NodeSamples
	return out, c.Call(http.MethodGet, clusterPath+"/nodes/"+node+"/samples?sinceSeconds=900", nil, &out)
}

func podSamples(c console, namespace, pod string) (samples.PodSamples, error) {
	var out samples.PodSamples
	return out, c.Call(http.MethodGet, clusterPath+"/pods/"+namespace+"/"+pod+"/samples?sinceSeconds=900", nil, &out)
}

// TestFiguresEqualTheSummary: what the console says of a time is what the node's own
// summary says of that time.
func TestFiguresEqualTheSummary(t *testing.T) {
	viewer := signIn(t, site.Tokens.Viewer)
	forEachEdge(t, func(t *testing.T, node string) {
		// The console may sample just before a kubelet measures anew, again and again:
		// both do it about every 10 s. So every summary is kept until the console has it.
		summaries := map[time.Time]stats.NodeStats{}
		eventually(t, 60*time.Second, func() error {
			// EdgeCore asks CloudCore for its own Node before it answers, and waits 60 s
			// for an answer that was lost.
			text, err := kubectl(t, "", "get", "--raw", "/api/v1/nodes/"+node+"/proxy/stats/summary", "--request-timeout=5s")
			if err != nil {
				return err
			}
			var raw stats.Summary
			if err := json.Unmarshal([]byte(text), &raw); err != nil {
				return err
			}
			summaries[raw.Node.CPU.Time.UTC()] = raw.Node
			got, err := nodeSamples(viewer, node)
			if err != nil {
				return err
			}
			for _, s := range got.Node.Recent {
				if summary, ok := summaries[s.Time.UTC()]; ok {
					sameFigures(t, s, summary)
					return nil
				}
			}
			return fmt.Errorf("no sample of any of %v yet; state %+v", slices.Collect(maps.Keys(summaries)), got.State)
		})
	})
}

func sameFigures(t *testing.T, s samples.Sample, node stats.NodeStats) {
	t.Helper()
	for name, pair := range map[string][2]*uint64{
		"usageNanoCores":       {s.CPUUsageNanoCores, node.CPU.UsageNanoCores},
		"usageCoreNanoSeconds": {s.CPUUsageCoreNanoSeconds, node.CPU.UsageCoreNanoSeconds},
		"usageBytes":           {s.MemoryUsageBytes, node.Memory.UsageBytes},
		"workingSetBytes":      {s.MemoryWorkingSetBytes, node.Memory.WorkingSetBytes},
		"rxBytes":              {s.NetworkRxBytes, node.Network.RxBytes},
		"txBytes":              {s.NetworkTxBytes, node.Network.TxBytes},
		"capacityBytes":        {s.FilesystemCapacityBytes, node.Fs.CapacityBytes},
	} {
		if pair[0] == nil || pair[1] == nil || *pair[0] != *pair[1] {
			t.Errorf("%s: the console says %v, the summary %v", name, text(pair[0]), text(pair[1]))
		}
	}
}

func text(v *uint64) string {
	if v == nil {
		return "nothing"
	}
	return fmt.Sprint(*v)
}

// TestFiguresEqualTop compares with what kubectl top prints, of the same sample.
func TestFiguresEqualTop(t *testing.T) {
	viewer := signIn(t, site.Tokens.Viewer)
	forEachEdge(t, func(t *testing.T, node string) {
		eventually(t, 90*time.Second, func() error {
			var list []struct {
				Name  string        `json:"name"`
				Usage observe.Usage `json:"usage"`
			}
			if err := viewer.Call(http.MethodGet, clusterPath+"/metrics/nodes?selector=kubernetes.io/hostname%3D"+node, nil, &list); err != nil {
				return err
			}
			if len(list) != 1 || list[0].Name != node || list[0].Usage.CPUNanoCores == nil {
				return fmt.Errorf("the selector gave %+v", list)
			}
			f := strings.Fields(mustKubectl(t, "top", "node", node, "--no-headers"))
			u := list[0].Usage
			cpu, memory := fmt.Sprintf("%dm", (*u.CPUNanoCores+999_999)/1_000_000), fmt.Sprintf("%dMi", *u.MemoryBytes>>20)
			if len(f) < 5 || f[1] != cpu || f[3] != memory {
				return fmt.Errorf("kubectl top says %v, the console %s and %s", f, cpu, memory)
			}
			return nil
		})
	})
}

// burner's manifest: it uses 200 millicores, 64 MiB, 5 MB/s of disk and 1 MB/s of network.
const burner = `
apiVersion: v1
kind: Pod
metadata: {name: burner, namespace: default}
spec:
  nodeName: jetson-xavier
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 1
  tolerations: [{operator: Exists}]
  volumes: [{name: data, emptyDir: {}}]
  containers:
  - name: burner
    image: %s
    args: [--millicores=200, --memory-mib=64, --file=/data/burn, --disk-bytes=5000000, --to=10.244.101.1:9, --network-bytes=1000000]
    volumeMounts: [{name: data, mountPath: /data}]
`

// startBurner runs the burner until the test ends.
func startBurner(t *testing.T) {
	t.Helper()
	if _, err := kubectl(t, fmt.Sprintf(burner, site.Burner), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = kubectl(t, "", "delete", "pod", "burner", "--grace-period=1") })
	eventually(t, 60*time.Second, func() error {
		if phase := mustKubectl(t, "get", "pod", "burner", "-o", "jsonpath={.status.phase}"); phase != "Running" {
			return fmt.Errorf("the burner is %s", phase)
		}
		return nil
	})
	countDiskIO(t)
}

// countDiskIO makes Linux 6.10 and later count block I/O with cgroup v1: they do so
// once a device has any limit. This one is a terabyte a second.
func countDiskIO(t *testing.T) {
	t.Helper()
	const v1 = "/sys/fs/cgroup/blkio"
	if _, err := os.Stat(v1); os.IsNotExist(err) {
		return // cgroup v2 counts always
	}
	uid := mustKubectl(t, "get", "pod", "burner", "-o", "jsonpath={.metadata.uid}")
	var dir string
	_ = filepath.WalkDir(v1, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasSuffix(path, "pod"+uid) {
			dir = path
			return filepath.SkipAll
		}
		return nil
	})
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(root, ".sandbox"), &st); err != nil {
		t.Fatal(err)
	}
	limit := fmt.Sprintf("%d:%d %d", unix.Major(st.Dev), unix.Minor(st.Dev), uint64(1)<<40)
	if err := os.WriteFile(filepath.Join(dir, "blkio.throttle.write_bps_device"), []byte(limit), 0); err != nil {
		t.Fatalf("limit of %q: %v", dir, err)
	}
}

// TestFiguresOfBurner runs a pod whose use is known, and looks at it in every place
// that keeps figures.
func TestFiguresOfBurner(t *testing.T) {
	startBurner(t)
	t.Run("AreTrue", figuresAreTrue)
	t.Run("InPrometheus", figuresInPrometheus)
}

// figuresAreTrue holds what is reported of a container against what it does.
func figuresAreTrue(t *testing.T) {
	t.Parallel()
	viewer := signIn(t, site.Tokens.Viewer)
	truths := map[string]struct {
		want  float64
		value func(samples.Sample) *float64
	}{
		"cpu, nanocores":       {200e6, func(s samples.Sample) *float64 { return float(s.CPUUsageNanoCores) }},
		"memory, bytes":        {64 << 20, func(s samples.Sample) *float64 { return float(s.MemoryWorkingSetBytes) }},
		"disk, bytes/s":        {5e6, func(s samples.Sample) *float64 { return s.DiskWriteBytesPerSecond }},
		"disk, writes/s":       {5e6 / (100 << 10), func(s samples.Sample) *float64 { return s.DiskWritesPerSecond }},
		"network, bytes/s":     {1e6, func(s samples.Sample) *float64 { return s.NetworkTxBytesPerSecond }},
		"swap, bytes (+1 MiB)": {1 << 20, func(s samples.Sample) *float64 { return more(float(s.SwapUsageBytes), 1<<20) }},
	}
	eventually(t, 150*time.Second, func() error {
		got, err := podSamples(viewer, "default", "burner")
		if err != nil {
			return err
		}
		if len(got.Containers) != 1 || len(got.Containers[0].Recent) < samples.RecentCount {
			return fmt.Errorf("not %d samples yet: %+v", samples.RecentCount, got.State)
		}
		recent := got.Containers[0].Recent
		for i := 1; i < len(recent); i++ {
			if !recent[i].Time.After(recent[i-1].Time) {
				t.Errorf("samples %v and %v are not distinct", recent[i-1].Time, recent[i].Time)
			}
		}
		for name, truth := range truths {
			var values []float64
			for _, s := range recent {
				if v := truth.value(s); v != nil {
					values = append(values, *v)
				}
			}
			slices.Sort(values)
			if len(values) < samples.RecentCount/2 {
				return fmt.Errorf("%s: %d values; unavailable %+v", name, len(values), got.Containers[0].Unavailable)
			}
			if median := values[len(values)/2]; math.Abs(median-truth.want) > truth.want/10 {
				return fmt.Errorf("%s: %.0f reported (%.0f), %.0f is true", name, median, values, truth.want)
			}
		}
		return nil
	})
}

func float(v *uint64) *float64 {
	if v == nil {
		return nil
	}
	f := float64(*v)
	return &f
}

func more(v *float64, by float64) *float64 {
	if v != nil {
		*v += by
	}
	return v
}

// TestTopCommand reads the same with the command line.
func TestTopCommand(t *testing.T) {
	top := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "edgeway"), append([]string{"top", "--kubeconfig", site.Kubeconfig}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("edgeway top %v: %v: %s", args, err, err.(*exec.ExitError).Stderr)
		}
		return string(out)
	}
	for node := range edgeNodes {
		if out := top("nodes"); !strings.Contains(out, node) {
			t.Errorf("top nodes lacks %s:\n%s", node, out)
		}
		if out := top("pods", "-A", "-l", "node="+node); !strings.Contains(out, "hello-"+node) {
			t.Errorf("top pods lacks the pod of %s:\n%s", node, out)
		}
	}
	var list []samples.PodSamples
	if err := json.Unmarshal([]byte(top("containers", "-n", "default", "-l", "app=hello", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != len(edgeNodes) {
		t.Errorf("%d pods, want %d", len(list), len(edgeNodes))
	}
	for _, p := range list {
		if len(p.Containers) != 1 || len(p.Containers[0].Recent) != 1 || p.Containers[0].Recent[0].MemoryWorkingSetBytes == nil {
			t.Errorf("pod %s: %+v", p.Metadata.Name, p.Containers)
		}
	}
}
