package main

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
)

const (
	restoreNFT = "iptables-nft-restore"
	// oldNodes have routes before the load.
	oldNodes   = 1000
	probeEvery = 2 * time.Millisecond
	// backedBytes are several times what a load takes, in the process and in the kernel.
	backedBytes = 512 << 20
)

var loadGroups = []group{{
	figures: []spec{
		{
			name: "load-100k", unit: "s", limit: limit(0.8),
			what: fmt.Sprintf("From all route objects of 100,000 edge nodes in memory to the kernel's commit (nftables), in place of the routes of %d nodes to one CloudCore. Memory that a hypervisor took back is fetched before.", oldNodes),
			baselines: []baseline{{Name: restoreNFT, Sense: factor,
				What: "`iptables-nft-restore` of the same nodes' 200,000 rules into an empty chain"}},
		},
		{
			name: "load-failures", unit: "connections", limit: limit(0),
			what:      fmt.Sprintf("New connections over the old routes that failed while the 100,000 were loaded, one every %s; each of them is one whose route moves to the other CloudCore, and that was seen to happen.", probeEvery),
			baselines: []baseline{{Name: "all connections", Sense: share, What: "those that were opened meanwhile"}},
		},
	},
	measure: measureLoad,
}}

func measureLoad(b *bed) error {
	all := edgeSlices(b.nodes)
	peer := newRuleTable(b, "iptables-nft")
	for range b.runs {
		took, failed, opened := loadOnce(b, all)
		b.record("load-100k", took.Seconds())
		b.record("load-failures", float64(failed))
		b.compare("load-failures", "all connections", float64(opened))
		b.compare("load-100k", restoreNFT, peer.restore(b.nodes).Seconds())
		peer.flush()
	}
	return nil
}

// loadOnce replaces a few old routes by many new ones, as an operator does that starts
// on a node with old rules, and connects over an old route meanwhile.
func loadOnce(b *bed, all []*v1alpha1.EdgeRouteSlice) (took time.Duration, failed, opened int) {
	b.inside(func(b *bed) {
		r := newRouter(b, openNFT)
		r.setTargets(core1IP)
		r.load(onFirstCore(oldNodes), netrules.CheckAll)

		// A new operator knows nothing yet.
		r.model = netrules.NewModel()
		r.setTargets(coreIPs...)
		r.open(openNFT)
		probe := startProbe(r)
		time.Sleep(20 * probeEvery)
		runtime.GC()
		b.must(backMemory(backedBytes))
		took = r.load(all, netrules.CheckAll)
		time.Sleep(20 * probeEvery)
		failed, opened = probe.stop()
	})
	return took, failed, opened
}

// backMemory takes memory, writes to every page and gives it back. A hypervisor takes the
// memory of a guest back that was free for two seconds (free page reporting); whoever
// is the first to use it again waits for the host, about 20 µs for each page, which
// would be the larger part of what is measured.
func backMemory(size int) error {
	m, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("take %d bytes of memory: %w", size, err)
	}
	if err := unix.Munmap(m); err != nil {
		return fmt.Errorf("give %d bytes of memory back: %w", size, err)
	}
	return nil
}

// onFirstCore are routes of which every one ends at the first CloudCore.
func onFirstCore(count int) []*v1alpha1.EdgeRouteSlice {
	old := edgeSlices(count)
	for _, s := range old {
		for i := range s.Routes {
			s.Routes[i].Target = targetIDs[0]
		}
	}
	return old
}

// probe connects to one edge node again and again.
type probe struct {
	r    *router
	end  atomic.Bool
	done chan struct{}
	// opened and failed count connections; answered those of each CloudCore.
	opened, failed int
	answered       [2]int
	last           error
}

// probed is an edge node whose route is on the second CloudCore after the load.
const probed = 1

func startProbe(r *router) *probe {
	p := &probe{r: r, done: make(chan struct{})}
	go p.run()
	return p
}

func (p *probe) run() {
	defer close(p.done)
	for !p.end.Load() {
		p.opened++
		who, err := p.once()
		if err != nil {
			p.failed++
			p.last = err
		} else {
			p.answered[who]++
		}
		time.Sleep(probeEvery)
	}
}

func (p *probe) once() (byte, error) {
	fd, err := p.r.socket()
	if err != nil {
		return 0, err
	}
	who, _, err := connect(fd, edgeAddr(probed))
	return who, err
}

// stop gives the counts. When the load was not seen nothing was proved, and the group
// ends.
func (p *probe) stop() (failed, opened int) {
	p.end.Store(true)
	<-p.done
	if p.failed > 0 {
		p.r.b.say("last failed connection: %v", p.last)
	}
	if p.answered[0] == 0 || p.answered[1] == 0 {
		p.r.b.Fatalf("of %d connections during the load %d went to the old CloudCore and %d to the new one, want some to each", p.opened, p.answered[0], p.answered[1])
	}
	return p.failed, p.opened
}
