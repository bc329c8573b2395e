// Package prom reads histories from a Prometheus that scrapes the edge nodes as
// docs/metrics.md says. It asks a fixed set of questions, into which only names go
// that Kubernetes itself accepts; whoever may ask is decided before.
package prom

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/edgeway-io/edgeway/internal/samples"
)

const (
	timeout = 10 * time.Second
	// points of a history at most; a chart has no more pixels.
	points = 240
	// shortest is the step below which Prometheus has no samples of its own.
	shortest = 15 * time.Second
)

// expressions by the column that they fill. %[1]s are the labels that choose the
// object, %[2]s the range of a rate.
var (
	nodeExpressions = map[string]string{
		"cpuUsageNanoCores":       `sum(rate(container_cpu_usage_seconds_total{%[1]s}[%[2]s])) * 1e9`,
		"memoryUsageBytes":        `sum(container_memory_usage_bytes{%[1]s})`,
		"memoryWorkingSetBytes":   `sum(container_memory_working_set_bytes{%[1]s})`,
		"swapUsageBytes":          `sum(container_memory_swap{%[1]s})`,
		"networkRxBytesPerSecond": `sum(rate(container_network_receive_bytes_total{%[1]s,interface="eth0"}[%[2]s]))`,
		"networkTxBytesPerSecond": `sum(rate(container_network_transmit_bytes_total{%[1]s,interface="eth0"}[%[2]s]))`,
		"diskReadBytesPerSecond":  `sum(rate(container_fs_reads_bytes_total{%[1]s}[%[2]s]))`,
		"diskWriteBytesPerSecond": `sum(rate(container_fs_writes_bytes_total{%[1]s}[%[2]s]))`,
		"diskReadsPerSecond":      `sum(rate(container_fs_reads_total{%[1]s}[%[2]s]))`,
		"diskWritesPerSecond":     `sum(rate(container_fs_writes_total{%[1]s}[%[2]s]))`,
	}
	podExpressions = map[string]string{
		"networkRxBytesPerSecond": `sum(rate(container_network_receive_bytes_total{%[1]s,interface="eth0"}[%[2]s]))`,
		"networkTxBytesPerSecond": `sum(rate(container_network_transmit_bytes_total{%[1]s,interface="eth0"}[%[2]s]))`,
	}
	containerExpressions = map[string]string{
		"cpuUsageNanoCores":       `sum by (container) (rate(container_cpu_usage_seconds_total{%[1]s,container!="",container!="POD"}[%[2]s])) * 1e9`,
		"memoryUsageBytes":        `sum by (container) (container_memory_usage_bytes{%[1]s,container!="",container!="POD"})`,
		"memoryWorkingSetBytes":   `sum by (container) (container_memory_working_set_bytes{%[1]s,container!="",container!="POD"})`,
		"swapUsageBytes":          `sum by (container) (container_memory_swap{%[1]s,container!="",container!="POD"})`,
		"diskReadBytesPerSecond":  `sum by (container) (rate(container_fs_reads_bytes_total{%[1]s,container!="",container!="POD"}[%[2]s]))`,
		"diskWriteBytesPerSecond": `sum by (container) (rate(container_fs_writes_bytes_total{%[1]s,container!="",container!="POD"}[%[2]s]))`,
		"diskReadsPerSecond":      `sum by (container) (rate(container_fs_reads_total{%[1]s,container!="",container!="POD"}[%[2]s]))`,
		"diskWritesPerSecond":     `sum by (container) (rate(container_fs_writes_total{%[1]s,container!="",container!="POD"}[%[2]s]))`,
	}
)

// Source is one Prometheus.
type Source struct{ api v1.API }

// New takes the URL under which Prometheus' own page is served, and the directory that may
// hold credentials for it, see credentials.go.
func New(address, secret string) (*Source, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is no URL of a Prometheus; write it like http://prometheus.monitoring.svc:9090", address)
	}
	client, err := api.NewClient(api.Config{Address: address, RoundTripper: &credentials{dir: secret, host: u.Host, next: api.DefaultRoundTripper}})
	if err != nil {
		return nil, err
	}
	return &Source{api: v1.NewAPI(client)}, nil
}

// Node is a node's history. Its job sets the label node; cAdvisor's series of id "/"
// are the node's own.
func (s *Source) Node(ctx context.Context, node string, since time.Duration, now time.Time) (*samples.History, error) {
	if err := valid("node", node, validation.IsDNS1123Subdomain(node)); err != nil {
		return nil, err
	}
	byLabel, grid, err := s.query(ctx, fmt.Sprintf(`id="/",node=%q`, node), "", nodeExpressions, since, now)
	if err != nil {
		return nil, err
	}
	return grid.history(byLabel[""]), nil
}

// Pod is a pod's history and its containers'. The pod's own is the sum of its
// containers, and the network that they share.
func (s *Source) Pod(ctx context.Context, namespace, pod string, since time.Duration, now time.Time) (*samples.History, map[string]*samples.History, error) {
	err := errors.Join(valid("namespace", namespace, validation.IsDNS1123Label(namespace)), valid("pod", pod, validation.IsDNS1123Subdomain(pod)))
	if err != nil {
		return nil, nil, err
	}
	labels := fmt.Sprintf(`namespace=%q,pod=%q`, namespace, pod)
	each, grid, err := s.query(ctx, labels, "container", containerExpressions, since, now)
	if err != nil {
		return nil, nil, err
	}
	network, _, err := s.query(ctx, labels, "", podExpressions, since, now)
	if err != nil {
		return nil, nil, err
	}
	total := map[string][]*float64{}
	containers := map[string]*samples.History{}
	for name, series := range each {
		for column, values := range series {
			total[column] = add(total[column], values)
		}
		for column, values := range network[""] {
			series[column] = values
		}
		containers[name] = grid.history(series)
	}
	for column, values := range network[""] {
		total[column] = values
	}
	return grid.history(total), containers, nil
}

func valid(field, value string, problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%s %q: %s", field, value, strings.Join(problems, ", "))
}

// grid is the times of a history.
type grid struct {
	start, end time.Time
	step       time.Duration
	times      []int64
}

func newGrid(since time.Duration, now time.Time) grid {
	g := grid{step: max(shortest, (since / points).Round(time.Second))}
	// On multiples of the step, so that the next question falls on the same times.
	g.end = now.Truncate(g.step)
	g.start = g.end.Add(-since.Truncate(g.step))
	for t := g.start; !t.After(g.end); t = t.Add(g.step) {
		g.times = append(g.times, t.UnixMilli())
	}
	return g
}

func (g grid) history(series map[string][]*float64) *samples.History {
	h := &samples.History{Source: "prometheus", FromMs: g.start.UnixMilli(), ToMs: g.end.UnixMilli(), TimesMs: g.times, Series: map[string][]*float64{}}
	for _, column := range samples.ChartColumns() {
		if h.Series[column] = series[column]; h.Series[column] == nil {
			h.Series[column] = make([]*float64, len(g.times))
		}
	}
	return h
}

// query asks all expressions at once and gives columns by the value of a label.
func (s *Source) query(ctx context.Context, labels, by string, expressions map[string]string, since time.Duration, now time.Time) (map[string]map[string][]*float64, grid, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	g := newGrid(since, now)
	window := model.Duration(max(4*shortest, g.step)).String()
	type answer struct {
		column string
		matrix model.Matrix
	}
	answers := make([]answer, len(expressions))
	group, ctx := errgroup.WithContext(ctx)
	i := 0
	for column, expression := range expressions {
		into, text := &answers[i], fill(expression, labels, window)
		into.column = column
		i++
		group.Go(func() error {
			value, _, err := s.api.QueryRange(ctx, text, v1.Range{Start: g.start, End: g.end, Step: g.step})
			if err != nil {
				return fmt.Errorf("ask Prometheus: %w", err)
			}
			into.matrix, _ = value.(model.Matrix)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, g, err
	}
	out := map[string]map[string][]*float64{}
	for _, a := range answers {
		for _, stream := range a.matrix {
			label := string(stream.Metric[model.LabelName(by)])
			if out[label] == nil {
				out[label] = map[string][]*float64{}
			}
			out[label][a.column] = g.place(stream.Values)
		}
	}
	return out, g, nil
}

// fill puts labels and window into an expression; not every one has a window.
func fill(expression, labels, window string) string {
	return strings.NewReplacer("%[1]s", labels, "%[2]s", window).Replace(expression)
}

// place puts values at their times; what is not there is a gap.
func (g grid) place(values []model.SamplePair) []*float64 {
	out := make([]*float64, len(g.times))
	for _, pair := range values {
		i, ok := slices.BinarySearch(g.times, int64(pair.Timestamp))
		v := float64(pair.Value)
		if ok && !math.IsNaN(v) && !math.IsInf(v, 0) {
			out[i] = &v
		}
	}
	return out
}

// add sums two columns; a gap in one is no zero in the sum unless the other has a value.
func add(a, b []*float64) []*float64 {
	if a == nil {
		return slices.Clone(b)
	}
	for i, v := range b {
		switch {
		case v == nil:
		case a[i] == nil:
			a[i] = v
		default:
			sum := *a[i] + *v
			a[i] = &sum
		}
	}
	return a
}
