package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

const (
	fewNodes = "three edge nodes"
	// hollowNodes run in the sandbox besides its own edge nodes.
	hollowNodes = 1000
	// patches in one run with many nodes and with few.
	patches, fewPatches = 300, 100
	// lostAfter is when a patch is looked after that no kernel was changed for.
	lostAfter  = 5 * time.Second
	mostLost   = 5
	hollowWait = 5 * time.Minute
	// slow is a change of which the stages are told.
	slow      = 250 * time.Millisecond
	probeNode = "bench-probe"
)

var lagGroups = []group{{
	figures: []spec{{
		name: "route-lag", unit: "ms", limit: limit(300),
		what: fmt.Sprintf("From the answer to a PATCH of an edge Node's address to the nft notifications of every cloud node's kernel, with %d hollow edge nodes and their heartbeats in the sandbox: p99 of %d patches.", hollowNodes, patches),
		baselines: []baseline{{Name: fewNodes, Sense: share,
			What: fmt.Sprintf("the same before the hollow nodes came: the sandbox's two and a Node without a device, p99 of %d patches", fewPatches)}},
	}},
	measure: measureLag,
}}

func measureLag(b *bed) error {
	site := siteUp(b)
	l := newLagger(b, site)
	l.createProbe()
	for range b.runs {
		b.compare("route-lag", fewNodes, quantile(l.run(fewPatches, []string{probeNode}), 0.99))
	}
	count := min(hollowNodes, b.nodes)
	names := site.hollow(count)
	l.awaitRoutes(count)
	for range b.runs {
		times := l.run(patches, names)
		b.say("p50 %.0f ms, p90 %.0f ms, most %.0f ms", quantile(times, 0.5), quantile(times, 0.9), quantile(times, 1))
		b.record("route-lag", quantile(times, 0.99))
	}
	return nil
}

// lagger patches Nodes and listens to the cloud nodes' kernels, with one clock.
type lagger struct {
	b       *bed
	api     client.Client
	kernels []*listener
	// next is an address that no node ever had.
	next netip.Addr
	lost int
}

func newLagger(b *bed, site *site) *lagger {
	l := &lagger{b: b, api: site.api(), next: netip.MustParseAddr("10.201.0.1")}
	for _, host := range site.cloudHosts() {
		l.kernels = append(l.kernels, listen(b, site.netNS(host)))
	}
	return l
}

// createProbe makes an edge Node without a device.
func (l *lagger) createProbe() {
	node := &corev1.Node{}
	node.Name = probeNode
	node.Labels = map[string]string{v1alpha1.LabelEdge: ""}
	node.Spec.Taints = []corev1.Taint{{Key: "edgeway.io/hollow", Effect: corev1.TaintEffectNoSchedule}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = 10351
	l.b.must(l.api.Create(l.b.ctx, node))
	l.b.undo(func() error { return l.api.Delete(context.WithoutCancel(l.b.ctx), node) })
}

// awaitRoutes waits until count hollow nodes have a tunnel and a route, and Kubernetes
// has taken note of them: of a thousand that come at once, kube-controller-manager takes
// the taint for nodes that are not ready off a few a second.
func (l *lagger) awaitRoutes(count int) {
	for start := time.Now(); ; l.b.pause(2 * time.Second) {
		routed, tainted := l.routed(), l.tainted()
		// The sandbox's own two nodes and the probe have routes, too.
		if routed >= count+3 && tainted == 0 {
			l.b.say("%d routes", routed)
			return
		}
		if time.Since(start) > hollowWait {
			l.b.Fatalf("only %d of %d edge nodes have a route, and %d hollow nodes the taint %s, after %s",
				routed, count+3, tainted, corev1.TaintNodeNotReady, hollowWait)
		}
	}
}

// tainted counts hollow nodes that Kubernetes takes for not ready.
func (l *lagger) tainted() (n int) {
	var list corev1.NodeList
	l.b.must(l.api.List(l.b.ctx, &list))
	for i := range list.Items {
		notReady := func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady }
		if list.Items[i].Name != probeNode && slices.ContainsFunc(list.Items[i].Spec.Taints, notReady) {
			n++
		}
	}
	return n
}

// routed counts routes that end at a CloudCore.
func (l *lagger) routed() (n int) {
	var list v1alpha1.EdgeRouteSliceList
	l.b.must(l.api.List(l.b.ctx, &list))
	for _, s := range list.Items {
		for _, r := range s.Routes {
			if r.Target != "" {
				n++
			}
		}
	}
	return n
}

// run gives the lags of count patches of random nodes, in ms.
func (l *lagger) run(count int, nodes []string) []float64 {
	var lags []float64
	for len(lags) < count {
		lag, err := l.patch(nodes[rand.IntN(len(nodes))])
		if errors.Is(err, errOvertaken) && l.lost < mostLost {
			l.lost++
			l.b.say("%v; repeated", err)
			continue
		}
		l.b.must(err)
		lags = append(lags, milliseconds(lag))
		l.b.pause(rand.N(100 * time.Millisecond))
	}
	return lags
}

// errOvertaken says that the node itself wrote its address again before the change
// got anywhere.
var errOvertaken = errors.New("the node's own status overtook a patch")

// patch gives a node another address, and waits for all kernels.
func (l *lagger) patch(node string) (time.Duration, error) {
	addr := l.next
	l.next = addr.Next()
	body, err := json.Marshal(map[string]any{"status": map[string]any{"addresses": []any{
		map[string]any{"type": corev1.NodeInternalIP, "address": addr.String()}}}})
	if err != nil {
		return 0, fmt.Errorf("encode a status: %w", err)
	}
	var seen []<-chan time.Time
	for _, k := range l.kernels {
		seen = append(seen, k.expect(addr))
	}
	obj := &corev1.Node{}
	obj.Name = node
	if err := l.api.Status().Patch(l.b.ctx, obj, client.RawPatch(types.StrategicMergePatchType, body)); err != nil {
		return 0, fmt.Errorf("patch node %s: %w", node, err)
	}
	answered := time.Now()
	var last time.Duration
	var each []time.Duration
	deadline := time.After(lostAfter)
	for _, kernel := range seen {
		select {
		case at := <-kernel:
			last = max(last, at.Sub(answered))
			each = append(each, at.Sub(answered))
		case <-deadline:
			return 0, l.missing(node, addr)
		case <-l.b.ctx.Done():
			return 0, l.b.ctx.Err()
		}
	}
	if last > slow {
		l.explain(addr, answered, each)
	}
	return last, nil
}

// explain says where the time of a slow change went: until edge-watcher saw it, which
// the slice tells, and until each kernel had it.
func (l *lagger) explain(addr netip.Addr, answered time.Time, kernels []time.Duration) {
	var list v1alpha1.EdgeRouteSliceList
	l.b.must(l.api.List(l.b.ctx, &list))
	for i := range list.Items {
		if !slices.ContainsFunc(list.Items[i].Routes, func(r v1alpha1.EdgeRoute) bool { return r.Address == addr.String() }) {
			continue
		}
		seen, err := time.Parse(time.RFC3339Nano, list.Items[i].Annotations[v1alpha1.AnnotationChangedAt])
		l.b.must(err)
		l.b.say("slow: edge-watcher saw it after %.0f ms, the kernels changed after %v", milliseconds(seen.Sub(answered)), kernels)
	}
}

// missing tells why no kernel got an address.
func (l *lagger) missing(node string, addr netip.Addr) error {
	obj := &corev1.Node{}
	if err := l.api.Get(l.b.ctx, client.ObjectKey{Name: node}, obj); err != nil {
		return fmt.Errorf("read node %s: %w", node, err)
	}
	for _, a := range obj.Status.Addresses {
		if a.Address == addr.String() {
			return fmt.Errorf("address %s of node %s is not in every cloud node's kernel after %s", addr, node, lostAfter)
		}
	}
	return fmt.Errorf("%w (node %s)", errOvertaken, node)
}
