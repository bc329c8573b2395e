package operator

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/nft"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// eventually bounds what the operator promises to do within 5 s.
const eventually = 5 * time.Second

// runningLoop is a loop at work on the kernel of a namespace.
func runningLoop(t *testing.T, objects func(*feed)) (*loop, *lab.NS) {
	t.Helper()
	ns := lab.New(t, "op")
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	backend, err := nft.Open(ns.FD, log)
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMetrics(prometheus.NewRegistry(), backend)
	if err != nil {
		t.Fatal(err)
	}
	model := netrules.NewModel()
	unroutable := func(a netip.Addr) (bool, error) { return a != netip.MustParseAddr("192.168.1.2"), nil }
	local := []netip.Addr{netip.MustParseAddr("10.0.0.1")}
	l := &loop{
		log: log, feed: newFeed(), model: model, backend: backend, metrics: m,
		report: newReport("cloud-1", unroutable), purger: newPurger(log, ns.FD, model, m),
		local:       func() ([]netip.Addr, error) { return local, nil },
		generations: map[string]int64{}, invalid: map[feedKey]error{},
	}
	objects(l.feed)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- l.run(ctx) }()
	go func() { done <- l.purger.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("loop ended with %v", err)
			}
		}
		if err := backend.Close(); err != nil {
			t.Errorf("close backend: %v", err)
		}
	})
	return l, ns
}

func putTargets(f *feed, annotations map[string]string) {
	f.put(feedKey{kindTargets, v1alpha1.TargetsName}, &v1alpha1.EdgeRouteTargets{
		ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.TargetsName, Generation: 1, Annotations: annotations},
		Targets: []v1alpha1.EdgeRouteTarget{{ID: "10351", TunnelPort: 10351,
			Endpoints: []v1alpha1.EdgeRouteEndpoint{{Address: "10.1.0.1", Port: 10003}}}},
		Guard: &v1alpha1.EdgeRouteGuard{Enabled: true, Addresses: []string{"10.1.0.1"}, Ports: []int32{10013}},
	})
}

func putSlice(f *feed, generation int64, addresses ...string) {
	slice := &v1alpha1.EdgeRouteSlice{ObjectMeta: metav1.ObjectMeta{Name: "a", Generation: generation,
		Annotations: map[string]string{v1alpha1.AnnotationChangedAt: time.Now().UTC().Format(time.RFC3339Nano)}}}
	for _, a := range addresses {
		slice.Routes = append(slice.Routes, v1alpha1.EdgeRoute{Node: "n" + a, Address: a, Ports: []int32{10250}, Target: "10351"})
	}
	f.put(feedKey{kindSlice, "a"}, slice)
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(eventually); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within %v: %s", eventually, what)
}

// lags is how many changes were measured from their cause to the kernel.
func lags(t *testing.T, l *loop) uint64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(l.metrics.lagHist)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d metrics, %v", len(families), err)
	}
	return families[0].GetMetric()[0].GetHistogram().GetSampleCount()
}

func status(l *loop) v1alpha1.CloudNodeRoutesStatus {
	s, _ := l.report.snapshot()
	return s
}

func TestLoopFollowsObjectsAndReports(t *testing.T) {
	l, ns := runningLoop(t, func(f *feed) {
		putTargets(f, nil)
		putSlice(f, 1, "192.168.1.1", "192.168.1.2", "no address")
	})
	rules := func(part string) func() bool {
		return func() bool { return strings.Contains(ns.Exec("nft", "list", "ruleset"), part) }
	}
	wait(t, "first routes in the kernel", rules("192.168.1.2"))
	wait(t, "CloudCore guarded", rules("10.1.0.1 . 10013"))
	wait(t, "report of the first routes", l.report.isReady)
	got := status(l)
	if got.Routes != 2 || got.Backend != "nftables" || !slices.Equal(got.Addresses, []string{"10.0.0.1"}) {
		t.Errorf("status is %+v, want 2 routes of backend nftables and the node's address", got)
	}
	if !strings.Contains(got.LastError, `"no address"`) {
		t.Errorf("last error is %q, want it to name the unusable address", got.LastError)
	}
	if want := v1alpha1.ObservedHash(map[string]int64{"a": 1, v1alpha1.TargetsName: 1}); got.ObservedHash != want {
		t.Errorf("observed hash is %s, want %s", got.ObservedHash, want)
	}
	for typ, want := range map[string]bool{v1alpha1.ConditionApplied: true, v1alpha1.ConditionGuarded: true, v1alpha1.ConditionNoRoute: true} {
		if meta.IsStatusConditionTrue(got.Conditions, typ) != want {
			t.Errorf("condition %s is not %v: %+v", typ, want, got.Conditions)
		}
	}
	if n := lags(t, l); n != 0 {
		t.Errorf("%d lags are measured before a change, want none: the first objects say nothing of one", n)
	}
	putSlice(l.feed, 2, "192.168.1.3")
	wait(t, "changed routes in the kernel", rules("192.168.1.3"))
	wait(t, "the lag of the change", func() bool { return lags(t, l) == 1 })
	wait(t, "report of changed routes", func() bool { return status(l).Routes == 1 && status(l).LastError == "" })
}

func TestLoopRepairsDrift(t *testing.T) {
	l, ns := runningLoop(t, func(f *feed) {
		putTargets(f, nil)
		putSlice(f, 1, "192.168.1.1")
	})
	wait(t, "first routes", l.report.isReady)
	want := ns.Exec("nft", "list", "ruleset")
	for n := int64(1); n <= 2; n++ {
		ns.Exec("nft", "flush", "ruleset")
		wait(t, "repair", func() bool { return ns.Exec("nft", "list", "ruleset") == want })
		wait(t, "report of the repair", func() bool { return status(l).DriftRepaired == n })
	}
}

func TestLoopUninstallsAndComesBack(t *testing.T) {
	l, ns := runningLoop(t, func(f *feed) {
		putTargets(f, nil)
		putSlice(f, 1, "192.168.1.1")
	})
	wait(t, "first routes", l.report.isReady)
	empty := func() bool { return ns.Exec("nft", "list", "ruleset") == "" }
	putTargets(l.feed, map[string]string{v1alpha1.AnnotationUninstall: "true"})
	wait(t, "rules removed", empty)
	wait(t, "report of the removal", func() bool {
		c := meta.FindStatusCondition(status(l).Conditions, v1alpha1.ConditionApplied)
		return c != nil && c.Reason == "Removed"
	})
	putSlice(l.feed, 2, "192.168.1.1", "192.168.1.2")
	time.Sleep(100 * time.Millisecond)
	if !empty() {
		t.Error("rules came back although the uninstall still stands")
	}
	putTargets(l.feed, nil)
	wait(t, "rules back", func() bool { return strings.Contains(ns.Exec("nft", "list", "ruleset"), "192.168.1.2") })
}
