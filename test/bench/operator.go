package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/test/apiserver"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

const (
	noNodes = "without edge nodes"
	// sliceChanges are made before an operator's memory is read.
	sliceChanges = 100
	settleTime   = 5 * time.Second
)

var operatorGroups = []group{{
	figures: []spec{
		{
			name: "operator-memory", unit: "MiB", limit: limit(100),
			what:      fmt.Sprintf("VmRSS of iptables-operator (nftables, in a network namespace of its own) with 100,000 routes in EdgeRouteSlices of %d at a kube-apiserver, after the first load and %d changed slices.", v1alpha1.MaxRoutesPerSlice, sliceChanges),
			baselines: []baseline{{Name: noNodes, Sense: share, What: "the same program at a kube-apiserver without route objects"}},
		},
		{
			name: "operator-memory-peak", unit: "MiB", limit: limit(100),
			what:      "VmHWM of the same process: the most that it ever had, the first load included.",
			baselines: []baseline{{Name: noNodes, Sense: share, What: "the same program at a kube-apiserver without route objects"}},
		},
	},
	measure: measureOperator,
}}

func measureOperator(b *bed) error {
	b.say("starting two API servers")
	full, empty := startServer(b), startServer(b)
	b.say("storing %d routes at one", b.nodes)
	api := clientFor(b, full.Config)
	slices := edgeSlices(b.nodes)
	for _, s := range slices {
		b.must(api.Create(b.ctx, s))
	}
	b.must(api.Create(b.ctx, twoTargets()))
	for range b.runs {
		now, most := operatorMemory(b, full, b.nodes, func() { changeSlices(b, api, slices) })
		b.record("operator-memory", now)
		b.record("operator-memory-peak", most)
		now, most = operatorMemory(b, empty, 0, func() {})
		b.compare("operator-memory", noNodes, now)
		b.compare("operator-memory-peak", noNodes, most)
	}
	return nil
}

// operatorMemory runs an operator in a new namespace until it has loaded all routes
// and settled.
func operatorMemory(b *bed, s *apiserver.Server, routes int, work func()) (now, most float64) {
	b.inside(func(b *bed) {
		ns := lab.New(b, "operator")
		address := strings.TrimPrefix(s.URL(), "https://")
		relay(b, func() (l net.Listener, err error) {
			err = ns.Do(func() (err error) { l, err = net.Listen("tcp", address); return err })
			return l, err
		}, address)
		dial := func(ctx context.Context, network, address string) (c net.Conn, err error) {
			err = ns.Do(func() (err error) { c, err = (&net.Dialer{}).DialContext(ctx, network, address); return err })
			return c, err
		}
		d := startDaemon(b, dial, []string{"nsenter", "--net=/run/netns/" + ns.Name},
			"iptables-operator", "--kubeconfig="+s.Kubeconfig(), "--node-name=cloud", "--backend=nftables")
		b.say("operator runs")
		d.until(time.Minute, "operator is ready", d.ready)
		d.until(time.Minute, "all routes are in the kernel", func() (bool, error) {
			n, err := d.sum("edgeway_operator_routes", nil)
			return int(n) == routes, err
		})
		b.say("%d routes are in the kernel", routes)
		work()
		b.pause(settleTime)
		now, most = d.memory()
		d.stop()
	})
	return now, most
}

// changeSlices moves one node of each of some slices to the other CloudCore and back,
// a little apart.
func changeSlices(b *bed, api client.Client, slices []*v1alpha1.EdgeRouteSlice) {
	for n := range sliceChanges {
		s := slices[n%len(slices)]
		s.Routes[0] = moved(s.Routes[0])
		b.must(api.Update(b.ctx, s))
		b.pause(20 * time.Millisecond)
	}
}

func twoTargets() *v1alpha1.EdgeRouteTargets {
	obj := &v1alpha1.EdgeRouteTargets{}
	obj.Name = v1alpha1.TargetsName
	for i, addr := range coreIPs {
		obj.Targets = append(obj.Targets, v1alpha1.EdgeRouteTarget{
			ID: targetIDs[i], TunnelPort: int32(10351 + i),
			Endpoints: []v1alpha1.EdgeRouteEndpoint{{Address: addr, Port: streamPort}},
		})
	}
	return obj
}

// clientFor reads and writes the API's own and our types.
func clientFor(b *bed, config *rest.Config) client.Client {
	scheme := runtime.NewScheme()
	b.must(clientgoscheme.AddToScheme(scheme))
	b.must(v1alpha1.AddToScheme(scheme))
	c, err := client.New(config, client.Options{Scheme: scheme})
	b.must(err)
	return c
}
