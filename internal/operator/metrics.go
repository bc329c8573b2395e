package operator

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

const namespace = "edgeway_operator"

// metrics of one operator.
type metrics struct {
	routes   prometheus.Gauge
	duration prometheus.Histogram
	lagHist  prometheus.Histogram
	errors   prometheus.Counter
	drift    prometheus.Counter
	conns    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, backend netrules.Backend) (*metrics, error) {
	m := &metrics{
		routes: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "routes",
			Help: "Edge addresses in the kernel."}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "sync_duration_seconds",
			Help: "Time to make the kernel hold the routes.", Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9)}),
		lagHist: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "lag_seconds",
			Help: "Time from the cause of a change, as edge-watcher saw it, to the kernel.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 12)}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "sync_errors_total",
			Help: "Failed attempts to make the kernel hold the routes."}),
		drift: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "drift_repaired_total",
			Help: "Repairs of what somebody else changed."}),
		conns: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "connections_reset_total",
			Help: "Connections reset because they contradicted the routes."}),
	}
	for _, c := range []prometheus.Collector{m.routes, m.duration, m.lagHist, m.errors, m.drift, m.conns, packets{backend}} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) synced(took time.Duration, routes int, res netrules.Result, err error) {
	m.duration.Observe(took.Seconds())
	if err != nil {
		m.errors.Inc()
		return
	}
	m.routes.Set(float64(routes))
	if res.Drift {
		m.drift.Inc()
	}
}

func (m *metrics) lag(d time.Duration) { m.lagHist.Observe(d.Seconds()) }

func (m *metrics) purged(n int) { m.conns.Add(float64(n)) }

// packets reads the kernel's counters whenever metrics are collected.
type packets struct{ backend netrules.Backend }

// collectTimeout bounds one reading of the kernel's counters.
const collectTimeout = 2 * time.Second

func packetsDesc() *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_packets_total",
		"Packets that the stream guard dropped, that no route redirected, or whose CloudCore has no endpoint.",
		[]string{"verdict"}, nil)
}

// Describe implements prometheus.Collector.
func (p packets) Describe(ch chan<- *prometheus.Desc) { ch <- packetsDesc() }

// Collect implements prometheus.Collector.
func (p packets) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	desc := packetsDesc()
	c, err := p.backend.Counters(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(desc, err)
		return
	}
	for verdict, n := range map[string]uint64{"guarded": c.Guarded, "unrouted": c.Unrouted, "rejected": c.Rejected} {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), verdict)
	}
}
