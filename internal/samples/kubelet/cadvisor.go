package kubelet

import (
	"bytes"
	"fmt"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/edgeway-io/edgeway/internal/samples"
)

// CAdvisor holds what is taken from /metrics/cadvisor: disk I/O, the use of
// devices, and network counters. The latter are in the summary as well, but with
// times cut to seconds, which would bend a rate by a tenth.
type CAdvisor struct {
	nodes, pods, containers map[key][]*group
}

type key struct{ namespace, pod, container string }

// group is one cgroup's figures. A pod has its own and that of its sandbox, and
// after a restart cAdvisor tells of a container's old one for a while.
type group struct {
	id       string
	image    string
	seen     int64
	diskAt   int64
	disk     map[samples.Field]float64
	networks map[string]network
	devices  map[string]*samples.Filesystem
}

type network struct {
	at     int64
	rx, tx *uint64
}

var diskFields = map[string]samples.Field{
	"container_fs_reads_bytes_total":  samples.DiskReadBytes,
	"container_fs_writes_bytes_total": samples.DiskWriteBytes,
	"container_fs_reads_total":        samples.DiskReads,
	"container_fs_writes_total":       samples.DiskWrites,
}

// wanted are the families that are read; the others, nine tenths of the text, are
// skipped before they cost anything.
var wanted = []string{
	"container_fs_reads_bytes_total", "container_fs_writes_bytes_total", "container_fs_reads_total", "container_fs_writes_total",
	"container_fs_usage_bytes", "container_fs_limit_bytes",
	"container_network_receive_bytes_total", "container_network_transmit_bytes_total",
}

// ParseCAdvisor reads the text of /metrics/cadvisor.
func ParseCAdvisor(text []byte) (*CAdvisor, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(onlyWanted(text)))
	if err != nil {
		return nil, fmt.Errorf("%w: cAdvisor's metrics: %w", ErrBadAnswer, err)
	}
	c := &CAdvisor{nodes: map[key][]*group{}, pods: map[key][]*group{}, containers: map[key][]*group{}}
	for _, name := range wanted {
		family, ok := families[name]
		if !ok {
			continue
		}
		for _, m := range family.Metric {
			c.add(name, m)
		}
	}
	return c, nil
}

func onlyWanted(text []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		for _, name := range wanted {
			if rest, ok := bytes.CutPrefix(line, []byte(name)); ok && len(rest) > 0 && (rest[0] == '{' || rest[0] == ' ') {
				out.Write(line)
				break
			}
		}
	}
	return out.Bytes()
}

func (c *CAdvisor) add(name string, m *dto.Metric) {
	labels := map[string]string{}
	for _, l := range m.Label {
		labels[l.GetName()] = l.GetValue()
	}
	g := c.groupOf(labels)
	if g == nil {
		return
	}
	value, at := m.GetUntyped().GetValue(), m.GetTimestampMs()
	g.seen = max(g.seen, at)
	switch name {
	case "container_network_receive_bytes_total", "container_network_transmit_bytes_total":
		g.addNetwork(labels["interface"], strings.Contains(name, "receive"), value, at)
	case "container_fs_usage_bytes", "container_fs_limit_bytes":
		g.addDevice(labels["device"], strings.HasSuffix(name, "usage_bytes"), value)
	default:
		g.disk[diskFields[name]] += value // one line a device
		g.diskAt = max(g.diskAt, at)
	}
}

// groupOf finds whose a line is.
func (c *CAdvisor) groupOf(labels map[string]string) *group {
	k := key{namespace: labels["namespace"], pod: labels["pod"], container: labels["container"]}
	switch {
	case labels["id"] == "/":
		return of(c.nodes, key{}, labels)
	case k.pod == "":
		return nil
	case k.container == "" || k.container == "POD":
		k.container = ""
		return of(c.pods, k, labels)
	}
	return of(c.containers, k, labels)
}

func of(groups map[key][]*group, k key, labels map[string]string) *group {
	for _, g := range groups[k] {
		if g.id == labels["id"] {
			return g
		}
	}
	g := &group{id: labels["id"], image: labels["image"], disk: map[samples.Field]float64{}, networks: map[string]network{}, devices: map[string]*samples.Filesystem{}}
	groups[k] = append(groups[k], g)
	return g
}

func (g *group) addNetwork(name string, receive bool, value float64, at int64) {
	n, v := g.networks[name], uint64(value)
	n.at = at
	if receive {
		n.rx = &v
	} else {
		n.tx = &v
	}
	g.networks[name] = n
}

func (g *group) addDevice(name string, used bool, value float64) {
	if !isDevice(name) {
		return
	}
	fs := g.devices[name]
	if fs == nil {
		fs = &samples.Filesystem{Name: name, Kind: "device"}
		g.devices[name] = fs
	}
	v := uint64(value)
	if used {
		fs.UsedBytes = &v
	} else {
		fs.CapacityBytes = &v
	}
}

// isDevice leaves out what has no disk behind it: cAdvisor lists overlays and
// memory filesystems by their mount point.
func isDevice(name string) bool {
	if strings.HasPrefix(name, "/") {
		return strings.HasPrefix(name, "/dev/") && name != "/dev/shm"
	}
	return name != "" && name != "tmpfs" && !strings.HasPrefix(name, "overlay")
}
