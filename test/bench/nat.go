package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/ipt"
)

const (
	// dials in one run to each of the sizes, blockDials of them at a time.
	dials      = 4000
	blockDials = 50
	someNodes  = 1000

	oneNode  = "1 edge node"
	fewer    = "1,000 edge nodes"
	maxShare = 1.15
)

var natGroups = []group{
	natLatency("nat-latency-nft", "nftables", openNFT),
	natLatency("nat-latency-ipset", "iptables-nft and ipset", openIPSet(ipt.NFT)),
	natLatency("nat-latency-ipset-legacy", "iptables-legacy and ipset", openIPSet(ipt.Legacy)),
}

// openIPSet makes a backend that keeps edge addresses in IP sets.
func openIPSet(variant ipt.Variant) opener {
	return func(netNS int) (netrules.Backend, error) {
		b, err := ipt.Open(context.Background(), ipt.Options{NetNS: netNS, Variant: variant, LookEvery: time.Hour}, warnings())
		if err == nil && !b.HasSets() {
			err = errors.Join(errors.New("this kernel has no IP sets"), b.Close())
		}
		return b, err
	}
}

// natLatency compares sizes in two ways. The kernel itself, without any rules, takes
// about 10 % longer to connect to an address that it did not connect to just before,
// so that a single edge node is compared with one edge node at a time, and edge nodes
// in random order with fewer edge nodes in random order.
func natLatency(name, backend string, open opener) group {
	spread := name + "-spread"
	return group{
		figures: []spec{
			{
				name: name, unit: "µs",
				what: fmt.Sprintf("A new TCP connection from a process on the cloud node through %s rules for 100,000 edge nodes: p50 of %d connects, %d to a random edge node and then %[3]d to the next.", backend, dials, blockDials),
				baselines: []baseline{{Name: oneNode, Sense: share, Limit: maxShare,
					What: fmt.Sprintf("the same in another namespace, with rules for a single edge node, in turns of %d connects", blockDials)}},
			},
			{
				name: spread, unit: "µs",
				what: "The same with every connect to another random one of the 100,000 edge nodes.",
				baselines: []baseline{{Name: fewer, Sense: share, Limit: maxShare,
					What: "the same in another namespace, with rules for 1,000 edge nodes and to random ones of them"}},
			},
		},
		measure: func(b *bed) error {
			many, some, one := newRouter(b, open), newRouter(b, open), newRouter(b, open)
			b.say("%s: loading %d routes", backend, b.nodes)
			many.load(edgeSlices(b.nodes), netrules.CheckAll)
			some.load(edgeSlices(someNodes), netrules.CheckAll)
			one.load(edgeSlices(1), netrules.CheckAll)
			for range b.runs {
				p50 := takeTurns(
					func() []float64 { return many.dialBlock(oneAtATime(b.nodes)) },
					func() []float64 { return one.dialBlock(oneAtATime(1)) },
					func() []float64 { return many.dialBlock(anyOf(b.nodes)) },
					func() []float64 { return some.dialBlock(anyOf(someNodes)) },
				)
				b.record(name, p50[0])
				b.compare(name, oneNode, p50[1])
				b.record(spread, p50[2])
				b.compare(spread, fewer, p50[3])
			}
			return nil
		},
	}
}

// oneAtATime gives one random number below n, anyOf another one at each call.
func oneAtATime(n int) func() int {
	at := rand.IntN(n)
	return func() int { return at }
}

func anyOf(n int) func() int { return func() int { return rand.IntN(n) } }

// takeTurns dials blocks in turns until each way has its dials, and gives their p50s
// in µs.
func takeTurns(ways ...func() []float64) []float64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // not in the middle of a connect
	times := make([][]float64, len(ways))
	for round := range dials / blockDials {
		// None is always the first after the collector.
		for turn := range ways {
			i := (round + turn) % len(ways)
			times[i] = append(times[i], ways[i]()...)
		}
		runtime.GC()
	}
	p50 := make([]float64, len(ways))
	for i := range ways {
		p50[i] = quantile(times[i], 0.5)
	}
	return p50
}

// dialBlock connects to edge nodes by their numbers and gives the times in µs. Every
// connection must end at the CloudCore that its route names.
func (r *router) dialBlock(next func() int) []float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	times := make([]float64, 0, blockDials)
	for _, fd := range r.sockets(blockDials) {
		n := next()
		who, took, err := connect(fd, edgeAddr(n))
		r.b.must(err)
		if int(who) != n%2 {
			r.b.Fatalf("edge node %d was answered by CloudCore %d", n, who)
		}
		times = append(times, float64(took.Nanoseconds())/1000)
	}
	return times
}

// edgeAddr is the address of the nth edge node.
func edgeAddr(n int) netip.Addr {
	a := firstEdge.As4()
	v := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	v += uint32(n)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}
