package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/observe"
	"github.com/edgeway-io/edgeway/internal/samples"
)

// print writes a table with its head, or one JSON document a line when watching.
func (o *topOptions) print(w io.Writer, t table, first bool) error {
	if o.output == "json" {
		enc := json.NewEncoder(w)
		if !o.watch {
			enc.SetIndent("", "  ")
		}
		return enc.Encode(t.full)
	}
	if !first {
		fmt.Fprintln(w)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			fmt.Fprint(tw, cell)
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

// topNode is a node's row in JSON.
type topNode struct {
	Name        string         `json:"name"`
	Usage       observe.Usage  `json:"usage"`
	Allocatable observe.Amount `json:"allocatable"`
}

func topNodes(ctx context.Context, c topClients, o *topOptions) (table, error) {
	nodes, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: o.selector})
	if err != nil {
		return table{}, err
	}
	usages, none := observe.NodeUsages(ctx, c.metrics, o.selector)
	rows := make([]topNode, 0, len(nodes.Items))
	t := table{head: []string{"NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"}}
	for i := range nodes.Items {
		n := observe.NodeOf(&nodes.Items[i])
		u, ok := usages[n.Name]
		if none != nil {
			u = *none
		} else if !ok {
			u = observe.Unavailable(observe.CauseNoSample, "metrics-server has no current sample of this node")
		}
		rows = append(rows, topNode{Name: n.Name, Usage: u, Allocatable: n.Allocatable})
		t.rows = append(t.rows, []string{
			n.Name, millicores(u.CPUNanoCores), cpuShare(u.CPUNanoCores, n.Allocatable.CPUNanoCores),
			mebibytes(u.MemoryBytes), share(u.MemoryBytes, n.Allocatable.MemoryBytes),
		})
	}
	t.full = rows
	return t, nil
}

func topPods(ctx context.Context, c topClients, o *topOptions) (table, error) {
	usages, none := observe.PodUsages(ctx, c.metrics, c.namespace, o.selector)
	if none != nil {
		return table{}, errcat.Errorf("FiguresMissing", "usage of pods: %s: %s", none.Cause, none.Message)
	}
	t := table{head: []string{"NAMESPACE", "NAME", "CPU(cores)", "MEMORY(bytes)"}, full: usages}
	for _, u := range usages {
		t.rows = append(t.rows, []string{u.Namespace, u.Name, millicores(u.Usage.CPUNanoCores), mebibytes(u.Usage.MemoryBytes)})
	}
	return t, nil
}

func topContainers(ctx context.Context, c topClients, o *topOptions) (table, error) {
	list, err := c.samples.Pods(ctx, c.namespace)
	if err != nil {
		return table{}, err
	}
	if o.selector != "" {
		if list.Items, err = selected(ctx, c, o.selector, list.Items); err != nil {
			return table{}, err
		}
	}
	t := table{
		head: []string{"NAMESPACE", "POD", "CONTAINER", "CPU(cores)", "MEMORY(bytes)", "SWAP", "RX/s", "TX/s", "READ/s", "WRITE/s", "NOTE"},
		full: list.Items,
	}
	for _, p := range list.Items {
		if len(p.Containers) == 0 {
			t.rows = append(t.rows, []string{p.Metadata.Namespace, p.Metadata.Name, "-", "-", "-", "-", "-", "-", "-", "-", p.State.Cause})
		}
		for _, container := range p.Containers {
			t.rows = append(t.rows, containerRow(p, container))
		}
	}
	return t, nil
}

func containerRow(p samples.PodSamples, c samples.Object) []string {
	var s samples.Sample
	note := p.State.Cause
	if n := len(c.Recent); n > 0 {
		s = c.Recent[n-1]
		if note != "" { // what is shown is older than the node's last word
			note += " since " + s.Time.Local().Format("15:04:05")
		}
	}
	return []string{
		p.Metadata.Namespace, p.Metadata.Name, c.Name, millicores(signed(s.CPUUsageNanoCores)), mebibytes(signed(s.MemoryWorkingSetBytes)),
		mebibytes(signed(s.SwapUsageBytes)), kibibytes(s.NetworkRxBytesPerSecond), kibibytes(s.NetworkTxBytesPerSecond),
		kibibytes(s.DiskReadBytesPerSecond), kibibytes(s.DiskWriteBytesPerSecond), note,
	}
}

// selected keeps the pods that the selector matches; samples know no labels.
func selected(ctx context.Context, c topClients, selector string, items []samples.PodSamples) ([]samples.PodSamples, error) {
	pods, err := c.kube.CoreV1().Pods(c.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	keep := make(map[string]bool, len(pods.Items))
	for i := range pods.Items {
		keep[pods.Items[i].Namespace+"/"+pods.Items[i].Name] = true
	}
	return slices.DeleteFunc(items, func(p samples.PodSamples) bool { return !keep[p.Metadata.Namespace+"/"+p.Metadata.Name] }), nil
}

const absent = "-"

func signed(v *uint64) *int64 {
	if v == nil {
		return nil
	}
	n := int64(*v)
	return &n
}

func millicores(nano *int64) string {
	if nano == nil {
		return absent
	}
	return fmt.Sprintf("%dm", milli(*nano))
}

// milli rounds up to whole thousandths of a core as kubectl top does.
func milli(nano int64) int64 { return (nano + 999_999) / 1_000_000 }

func mebibytes(v *int64) string {
	if v == nil {
		return absent
	}
	return fmt.Sprintf("%dMi", *v>>20)
}

func kibibytes(v *float64) string {
	if v == nil {
		return absent
	}
	return fmt.Sprintf("%.1fKi", *v/1024)
}

func share(v *int64, of int64) string {
	if v == nil || of == 0 {
		return absent
	}
	return fmt.Sprintf("%d%%", *v*100/of)
}

// cpuShare is of the rounded figures that stand beside it, as with kubectl top.
func cpuShare(nano *int64, of int64) string {
	if nano == nil {
		return absent
	}
	used := milli(*nano)
	return share(&used, milli(of))
}
