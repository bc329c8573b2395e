package watcher

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edgeway-io/edgeway/internal/routes"
)

// metrics of the routes, under edgeway_watcher_.
type metrics struct {
	routes   prometheus.Gauge
	targets  prometheus.Gauge
	nodes    *prometheus.GaugeVec
	notes    *prometheus.GaugeVec
	conflict prometheus.Gauge
	writes   *prometheus.CounterVec
	sync     prometheus.Histogram
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	gauge := func(name, help string) prometheus.GaugeOpts {
		return prometheus.GaugeOpts{Namespace: "edgeway", Subsystem: "watcher", Name: name, Help: help}
	}
	m := &metrics{
		routes:   prometheus.NewGauge(gauge("routes", "Edge addresses that have a route.")),
		targets:  prometheus.NewGauge(gauge("targets", "CloudCores (and the configured destination) that routes may name.")),
		nodes:    prometheus.NewGaugeVec(gauge("edge_nodes", "Edge nodes by the reason of their condition EdgewayRouted."), []string{"reason"}),
		notes:    prometheus.NewGaugeVec(gauge("notes", "What is wrong with the cluster rather than with one node."), []string{"reason"}),
		conflict: prometheus.NewGauge(gauge("address_conflicts", "Edge nodes that claim an address which another edge node claims too.")),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "edgeway", Subsystem: "watcher",
			Name: "route_writes_total", Help: "Writes of route objects."}, []string{"verb"}),
		sync: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "edgeway", Subsystem: "watcher",
			Name: "sync_duration_seconds", Help: "Time to compute and write all routes.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
	}
	for _, c := range []prometheus.Collector{m.routes, m.targets, m.nodes, m.notes, m.conflict, m.writes, m.sync} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) wrote(verb string) { m.writes.WithLabelValues(verb).Inc() }

func (m *metrics) observe(plan routes.Plan, took time.Duration) {
	total := 0
	for _, node := range plan.Routes {
		total += len(node.Routes)
	}
	m.routes.Set(float64(total))
	m.targets.Set(float64(len(plan.Targets)))
	m.sync.Observe(took.Seconds())

	byReason := map[routes.Reason]int{}
	for _, finding := range plan.Findings {
		byReason[finding.Reason]++
	}
	m.nodes.Reset()
	for reason, count := range byReason {
		m.nodes.WithLabelValues(string(reason)).Set(float64(count))
	}
	m.conflict.Set(float64(byReason[routes.ReasonAddressConflict] + byReason[routes.ReasonAddressShared]))
}

func (m *metrics) observeNotes(notes []routes.Note) {
	m.notes.Reset()
	for _, note := range notes {
		m.notes.WithLabelValues(string(note.Reason)).Inc()
	}
}
