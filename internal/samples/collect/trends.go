package collect

import (
	"context"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/edgeway-io/edgeway/internal/samples"
)

// trendEvery is metrics-server's own pace; trendTimeout ends a list that hangs.
const (
	trendEvery   = 15 * time.Second
	trendTimeout = 10 * time.Second
)

// RunTrends records CPU and memory of all nodes until ctx ends: one request of
// metrics.k8s.io each time, however many nodes there are.
func RunTrends(ctx context.Context, m metrics.NodeMetricsesGetter, into *samples.Trends, log *slog.Logger) {
	tick := time.NewTicker(trendEvery)
	defer tick.Stop()
	for {
		if err := RecordTrends(ctx, m, into); err != nil && ctx.Err() == nil {
			into.Failed(err)
			log.Debug("record the nodes' usage", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// RecordTrends takes one point of every node.
func RecordTrends(ctx context.Context, m metrics.NodeMetricsesGetter, into *samples.Trends) error {
	ctx, cancel := context.WithTimeout(ctx, trendTimeout)
	defer cancel()
	list, err := m.NodeMetricses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	points := make(map[string]samples.TrendPoint, len(list.Items))
	for i := range list.Items {
		item := &list.Items[i]
		cpu, hasCPU := item.Usage[corev1.ResourceCPU]
		memory, hasMemory := item.Usage[corev1.ResourceMemory]
		if hasCPU && hasMemory {
			points[item.Name] = samples.TrendPoint{
				At:        item.Timestamp.UnixMilli(),
				NanoCores: float64(cpu.ScaledValue(resource.Nano)), MemoryBytes: float64(memory.Value()),
			}
		}
	}
	into.Add(points, time.Now())
	return nil
}
