package observe

import (
	"context"
	"errors"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
)

// Causes for which a figure is unavailable.
const (
	// CauseNoMetricsAPI: metrics.k8s.io is not served; metrics-server is missing or not ready.
	CauseNoMetricsAPI = "MetricsAPIMissing"
	// CauseForbidden: the user may not read it.
	CauseForbidden = "Forbidden"
	// CauseNoSample: metrics-server has no sample of this object (yet, or any more).
	CauseNoSample = "NoSample"
	// CauseTimeout: no answer in time.
	CauseTimeout = "Timeout"
	// CauseFailed: anything else; the message tells.
	CauseFailed = "Failed"
)

// Usage is a live sample of CPU and memory, or the cause for which there is none.
type Usage struct {
	Available     bool       `json:"available"`
	Cause         string     `json:"cause,omitempty" doc:"Why the figures are unavailable"`
	Message       string     `json:"message,omitempty"`
	CPUNanoCores  *int64     `json:"cpuNanoCores,omitempty" doc:"CPU in use, in billionths of a core, averaged over the window"`
	MemoryBytes   *int64     `json:"memoryBytes,omitempty" doc:"Working set"`
	Timestamp     *time.Time `json:"timestamp,omitempty" doc:"End of the window"`
	WindowSeconds float64    `json:"windowSeconds,omitempty"`
}

// ContainerUsage is one container's usage.
type ContainerUsage struct {
	Name  string `json:"name"`
	Usage Usage  `json:"usage"`
}

// PodUsage is the usage of a pod and of its containers.
type PodUsage struct {
	Namespace  string           `json:"namespace"`
	Name       string           `json:"name"`
	Usage      Usage            `json:"usage"`
	Containers []ContainerUsage `json:"containers"`
}

// Unavailable is a Usage without figures.
func Unavailable(cause, message string) Usage { return Usage{Cause: cause, Message: message} }

// NodeUsages reads the live usage of every node that selector matches, by name.
// When the read fails the second result says why, for every node alike.
func NodeUsages(ctx context.Context, m metrics.MetricsV1beta1Interface, selector string) (map[string]Usage, *Usage) {
	list, err := m.NodeMetricses().List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		u := usageError(err)
		return nil, &u
	}
	out := make(map[string]Usage, len(list.Items))
	for i := range list.Items {
		item := &list.Items[i]
		out[item.Name] = usageOf(item.Usage, item.Timestamp, item.Window)
	}
	return out, nil
}

// NodeUsage reads one node's live usage.
func NodeUsage(ctx context.Context, m metrics.MetricsV1beta1Interface, node string) Usage {
	item, err := m.NodeMetricses().Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return usageError(err)
	}
	return usageOf(item.Usage, item.Timestamp, item.Window)
}

// PodUsages reads the live usage of a namespace's pods ("" is all of them).
func PodUsages(ctx context.Context, m metrics.MetricsV1beta1Interface, namespace, selector string) ([]PodUsage, *Usage) {
	list, err := m.PodMetricses(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		u := usageError(err)
		return nil, &u
	}
	out := make([]PodUsage, 0, len(list.Items))
	for i := range list.Items {
		out = append(out, podUsageOf(&list.Items[i]))
	}
	return out, nil
}

// OnePodUsage reads one pod's live usage.
func OnePodUsage(ctx context.Context, m metrics.MetricsV1beta1Interface, namespace, pod string) PodUsage {
	item, err := m.PodMetricses(namespace).Get(ctx, pod, metav1.GetOptions{})
	if err != nil {
		return PodUsage{Namespace: namespace, Name: pod, Usage: usageError(err), Containers: []ContainerUsage{}}
	}
	return podUsageOf(item)
}

func podUsageOf(item *metricsv1beta1.PodMetrics) PodUsage {
	out := PodUsage{Namespace: item.Namespace, Name: item.Name, Containers: []ContainerUsage{}}
	sum := corev1.ResourceList{}
	for _, c := range item.Containers {
		out.Containers = append(out.Containers, ContainerUsage{Name: c.Name, Usage: usageOf(c.Usage, item.Timestamp, item.Window)})
		for name, q := range c.Usage {
			total := sum[name]
			total.Add(q)
			sum[name] = total
		}
	}
	if len(item.Containers) == 0 {
		out.Usage = Unavailable(CauseNoSample, "metrics-server has no sample of this pod's containers")
		return out
	}
	out.Usage = usageOf(sum, item.Timestamp, item.Window)
	return out
}

func usageOf(l corev1.ResourceList, at metav1.Time, window metav1.Duration) Usage {
	out := Usage{Available: true, WindowSeconds: window.Seconds()}
	if t := at.Time; !t.IsZero() {
		out.Timestamp = &t
	}
	if q, ok := l[corev1.ResourceCPU]; ok {
		v := nanoCores(&q)
		out.CPUNanoCores = &v
	}
	if q, ok := l[corev1.ResourceMemory]; ok {
		v := q.Value()
		out.MemoryBytes = &v
	}
	if out.CPUNanoCores == nil && out.MemoryBytes == nil {
		return Unavailable(CauseNoSample, "the sample holds neither CPU nor memory")
	}
	return out
}

// usageError tells the causes apart that have different remedies.
func usageError(err error) Usage {
	var netErr net.Error
	switch {
	case apierrors.IsForbidden(err):
		return Unavailable(CauseForbidden, err.Error())
	case apierrors.IsServiceUnavailable(err):
		return Unavailable(CauseNoMetricsAPI, err.Error())
	case apierrors.IsNotFound(err):
		// An unserved API and an object without a sample both answer 404; only
		// the latter names the object.
		if s := new(apierrors.StatusError); errors.As(err, &s) && s.ErrStatus.Details != nil && s.ErrStatus.Details.Name != "" {
			return Unavailable(CauseNoSample, err.Error())
		}
		return Unavailable(CauseNoMetricsAPI, err.Error())
	case errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err), errors.As(err, &netErr) && netErr.Timeout():
		return Unavailable(CauseTimeout, err.Error())
	}
	return Unavailable(CauseFailed, err.Error())
}
