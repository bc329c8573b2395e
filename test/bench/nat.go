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
	// dials in one run to each of the two sizes, blockDials of them at a time.
	dials      = 4000
	blockDials = 50
	oneNode    = "1 edge node"
)

var natGroups = []group{
	natLatency("nat-latency-nft", "nftables", openNFT),
	natLatency("nat-latency-ipset", "iptables-nft and ipset", openIPSet(ipt.NFT)),
	natLatency("nat-latency-ipset-legacy", "iptables-legacy and ipset", openIPSet(ipt.Legacy)),
}

// openIPSet makes a backend that keeps edge addresses in IP sets, or none.
func openIPSet(variant ipt.Variant) opener {
	return func(netNS int) (netrules.Backend, error) {
		b, err := ipt.Open(context.Background(), ipt.Options{NetNS: netNS, Variant: variant, LookEvery: time.Hour}, warnings())
		if err == nil && !b.HasSets() {
			err = errors.Join(errors.New("this kernel has no IP sets"), b.Close())
		}
		return b, err
	}
}

func natLatency(name, backend string, open opener) group {
	return group{
		figures: []spec{{
			name: name, unit: "µs",
			what: fmt.Sprintf("A new TCP connection from a process on the cloud node through %s rules for 100,000 edge nodes, to a random one of them: p50 of %d connects.", backend, dials),
			baselines: []baseline{{Name: oneNode, Sense: share, Limit: 1.15,
				What: fmt.Sprintf("the same in another namespace, with rules for a single edge node, in turns of %d connections", blockDials)}},
		}},
		measure: func(b *bed) error {
			many, one := newRouter(b, open), newRouter(b, open)
			b.say("%s: loading %d routes", backend, b.nodes)
			many.load(edgeSlices(b.nodes), netrules.CheckAll)
			one.load(edgeSlices(1), netrules.CheckAll)
			for range b.runs {
				at100k, at1 := takeTurns(many, one)
				b.record(name, quantile(at100k, 0.5))
				b.compare(name, oneNode, quantile(at1, 0.5))
			}
			return nil
		},
	}
}

// takeTurns connects through both routers in turns and gives the times in µs.
func takeTurns(many, one *router) (at100k, at1 []float64) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // not in the middle of a connect
	for len(at1) < dials {
		at100k = append(at100k, many.dialBlock(many.b.nodes)...)
		at1 = append(at1, one.dialBlock(1)...)
		runtime.GC()
	}
	return at100k, at1
}

// dialBlock connects to random ones of the first nodes edge nodes and gives the times
// in µs. Every connection must end at the CloudCore that its route names.
func (r *router) dialBlock(nodes int) []float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	times := make([]float64, 0, blockDials)
	for _, fd := range r.sockets(blockDials) {
		n := rand.IntN(nodes)
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
