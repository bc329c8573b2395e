package main

import (
	"fmt"
	"net"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/test/apiserver"
)

const (
	addressChanges = "address changes"
	// heartbeats in one run, and nodes that get another address after them.
	heartbeats   = 4000
	movedInARun  = 100
	quietSeconds = 3
	firstStart   = 15 * time.Minute
)

var watcherGroups = []group{{
	figures: []spec{
		{
			name: "watcher-memory", unit: "MiB", limit: limit(400),
			what:      fmt.Sprintf("VmHWM of edge-watcher, the most that it ever had, at a kube-apiserver with 100,000 edge Nodes of 8 KiB: its start and %d heartbeats. The routes and conditions were written by an earlier start.", heartbeats),
			baselines: []baseline{{Name: noNodes, Sense: share, What: "the same program at a kube-apiserver without Nodes"}},
		},
		{
			name: "watcher-heartbeats", unit: "writes", limit: limit(0),
			what:      fmt.Sprintf("Requests of edge-watcher that change anything, and changed route objects, during %d heartbeats (half Node statuses, half leases).", heartbeats),
			baselines: []baseline{{Name: addressChanges, Sense: share, What: fmt.Sprintf("the same count while %d Nodes get another address", movedInARun)}},
		},
	},
	measure: measureWatcher,
}}

func measureWatcher(b *bed) error {
	full, empty := startServer(b), startServer(b)
	f := newFleet(b, full.Config)
	b.say("creating %d nodes of %d bytes", b.nodes, nodeBytes)
	f.create(b.nodes)
	newFleet(b, empty.Config).cloudCores()
	api := clientFor(b, full.Config)

	b.say("first start: all routes and conditions are written")
	b.inside(func(b *bed) {
		w := startWatcher(b, full, b.nodes, firstStart)
		_, most := w.memory()
		b.say("%.0f writes; VmHWM %.0f MiB", w.writes(), most)
		w.stop()
	})
	for run := range b.runs {
		b.inside(func(inner *bed) {
			w := startWatcher(inner, full, b.nodes, firstStart)
			now, _ := w.memory()
			b.say("settled: VmRSS %.0f MiB, %.0f writes since the start", now, w.writes())
			before := routeVersions(b, api)
			b.record("watcher-heartbeats", written(w, api, before, 0, func() { f.heartbeat(b.nodes, heartbeats) }))
			_, most := w.memory()
			b.record("watcher-memory", most)
			before = routeVersions(b, api)
			b.compare("watcher-heartbeats", addressChanges, written(w, api, before, 1, func() { f.move(movedInARun, run) }))
			w.stop()
		})
		b.inside(func(inner *bed) {
			w := startWatcher(inner, empty, 0, time.Minute)
			_, most := w.memory()
			b.compare("watcher-memory", noNodes, most)
			w.stop()
		})
	}
	return nil
}

// startWatcher starts an edge-watcher and waits until it knows all routes and has
// nothing more to write.
func startWatcher(b *bed, s *apiserver.Server, routes int, timeout time.Duration) *daemon {
	d := startDaemon(b, (&net.Dialer{}).DialContext, nil, "edge-watcher", "--kubeconfig="+s.Kubeconfig())
	d.until(timeout, "edge-watcher is ready", d.ready)
	d.until(timeout, "all routes are known", func() (bool, error) {
		n, err := d.sum("edgeway_watcher_routes", nil)
		return int(n) == routes, err
	})
	d.quiet(timeout)
	return d
}

// quiet waits until the daemon has written nothing for a while.
func (d *daemon) quiet(timeout time.Duration) {
	last, since := -1.0, time.Now()
	d.until(timeout, "nothing more to write", func() (bool, error) {
		if n := d.writes(); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > quietSeconds*time.Second, nil
	})
}

// written counts what the watcher writes because of some work: its own requests that
// change anything, and route objects that are other than before. It waits for the
// least that has to be written: the watcher may need a while.
func written(d *daemon, api client.Client, before map[string]string, least float64, work func()) float64 {
	requests := d.writes()
	work()
	d.until(time.Minute, "what has to be written", func() (bool, error) { return d.writes()-requests >= least, nil })
	d.quiet(time.Minute)
	count := d.writes() - requests
	after := routeVersions(d.b, api)
	for name, version := range after {
		if before[name] != version {
			count++
		}
	}
	if len(after) < len(before) {
		count += float64(len(before) - len(after))
	}
	return count
}

// routeVersions are the resourceVersions of all route objects.
func routeVersions(b *bed, api client.Client) map[string]string {
	versions := map[string]string{}
	var list v1alpha1.EdgeRouteSliceList
	b.must(api.List(b.ctx, &list))
	for _, s := range list.Items {
		versions[s.Name] = s.ResourceVersion
	}
	var targets v1alpha1.EdgeRouteTargetsList
	b.must(api.List(b.ctx, &targets))
	for _, t := range targets.Items {
		versions["targets "+t.Name] = t.ResourceVersion
	}
	return versions
}
