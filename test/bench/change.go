package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
)

const (
	// changes of each kind in one run.
	changes    = 200
	clearNodes = 200

	appendNFT    = "append by iptables-nft"
	appendLegacy = "append by iptables-legacy"
	clearAndAdd  = "clear and add again, 200 nodes"
)

var changeGroups = []group{{
	figures: []spec{
		changed("change-add", "One edge node more"),
		changed("change-move", "One edge node's tunnel moved to the other CloudCore"),
		changed("change-remove", "One edge node less"),
	},
	measure: measureChanges,
}}

func changed(name, what string) spec {
	return spec{
		name: name, unit: "ms", limit: limit(1),
		what: fmt.Sprintf("%s at 100,000 (nftables): the operator's time from the changed slice of %d routes to the kernel's commit, mean of %d.", what, v1alpha1.MaxRoutesPerSlice, changes),
		baselines: []baseline{
			{Name: appendNFT, Sense: factor, Limit: 100, What: "two `iptables-nft -A` after the 200,000 rules of 100,000 nodes"},
			{Name: appendLegacy, Sense: factor, Limit: 100, What: "two `iptables-legacy -A` after the 200,000 rules of 100,000 nodes"},
			{Name: clearAndAdd, Sense: factor, Limit: 10_000, What: "every one of 400 rules deleted and added again by `iptables` (nft), one process each"},
		},
	}
}

func measureChanges(b *bed) error {
	r := newRouter(b, openNFT)
	all := edgeSlices(b.nodes)
	b.say("loading %d routes", b.nodes)
	r.load(all, netrules.CheckAll)

	tables := map[string]*ruleTable{}
	for name, program := range map[string]string{appendNFT: "iptables-nft", appendLegacy: "iptables-legacy"} {
		t := newRuleTable(b, program)
		tables[name] = t
		b.say("%s: loaded %d rules in %.1f s", program, 2*b.nodes, t.restore(b.nodes).Seconds())
	}
	few := newRuleTable(b, "iptables-nft")
	few.restore(clearNodes)

	for run := range b.runs {
		took := r.changeOne(all[len(all)/2])
		for _, f := range b.figures {
			b.record(f.Name, took[f.Name])
		}
		for name, t := range tables {
			ms := milliseconds(t.appendOne(edgeAddr(b.nodes + 1 + run)))
			b.compareAll(name, ms)
		}
		b.compareAll(clearAndAdd, milliseconds(few.readd(clearNodes)))
	}
	return nil
}

// compareAll records a baseline that all figures of the group share.
func (b *bed) compareAll(with string, value float64) {
	for i := range b.figures {
		b.figures[i].baseline(with).add(value)
	}
	b.say("%s: %s %s", with, number(value), b.figures[0].Unit)
}

// changeOne adds, moves and removes one node of a full slice, many times, and gives
// the mean of each in ms.
func (r *router) changeOne(slice *v1alpha1.EdgeRouteSlice) map[string]float64 {
	base := slice.Routes[:len(slice.Routes)-1]
	gone := slice.Routes[len(slice.Routes)-1]
	kinds := []struct {
		name   string
		routes []v1alpha1.EdgeRoute
	}{
		{"change-remove", base},
		{"change-add", append(slices.Clone(base), gone)},
		{"change-move", append(slices.Clone(base), moved(gone))},
	}
	total := map[string]time.Duration{}
	for range changes {
		for _, k := range kinds {
			start := time.Now()
			r.b.must(r.model.SetSlice(slice.Name, k.routes))
			r.sync(netrules.Trust)
			total[k.name] += time.Since(start)
		}
	}
	r.load([]*v1alpha1.EdgeRouteSlice{slice}, netrules.Trust)
	means := map[string]float64{}
	for name, sum := range total {
		means[name] = milliseconds(sum) / changes
	}
	return means
}

func moved(r v1alpha1.EdgeRoute) v1alpha1.EdgeRoute {
	r.Target = targetIDs[1-slices.Index(targetIDs, r.Target)]
	return r
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
