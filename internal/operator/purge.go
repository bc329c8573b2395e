package operator

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/conntrack"
)

const (
	// purgeEvery is the least time between two purges, the first of which comes at once,
	// and restPerPurge how many times as long as one took the purger rests after it, up
	// to longestRest: every purge reads the whole table, and what is read beside many
	// changes delays them.
	purgeEvery   = 500 * time.Millisecond
	restPerPurge = 10
	longestRest  = time.Second
)

// purger removes connection tracking entries that contradict the routes. It
// works beside the loop: on a busy node there are many entries to read, and the
// kernel's rules are right already.
type purger struct {
	log     *slog.Logger
	netNS   int
	model   *netrules.Model
	metrics *metrics

	mu      sync.Mutex
	all     bool
	moved   map[netip.Addr]netrules.Key // the routes that addresses had before
	signal  chan struct{}
	targets []netrules.Target
}

func newPurger(log *slog.Logger, netNS int, model *netrules.Model, m *metrics) *purger {
	return &purger{log: log, netNS: netNS, model: model, metrics: m, moved: map[netip.Addr]netrules.Key{}, signal: make(chan struct{}, 1)}
}

// request notes what changed with a plan; everything says that any route may have.
func (p *purger) request(plan netrules.Plan, everything bool) {
	p.mu.Lock()
	p.all = p.all || everything
	p.targets = plan.Rules.Targets
	conntrack.NoteMoves(p.moved, plan.Moves)
	p.mu.Unlock()
	select {
	case p.signal <- struct{}{}:
	default: // the earlier request is not yet taken and now includes this one
	}
}

func (p *purger) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.signal:
		}
		start := time.Now()
		p.purge()
		// Where routes change all the time, those that come now are looked at together.
		if !sleep(ctx, restAfter(time.Since(start))) {
			return nil
		}
	}
}

// restAfter is how long the purger waits after a purge that took so long.
func restAfter(took time.Duration) time.Duration {
	return min(max(purgeEvery, restPerPurge*took), longestRest)
}

func (p *purger) purge() {
	p.mu.Lock()
	j := conntrack.Judge{Model: p.model, All: p.all, Moved: p.moved, Targets: p.targets}
	p.all, p.moved = false, map[netip.Addr]netrules.Key{}
	p.mu.Unlock()
	n, err := conntrack.Purge(p.netNS, j.Families(), j.Wrong)
	p.metrics.purged(n)
	if err != nil {
		p.log.Error("connection tracking not cleaned; open connections may stay on an old CloudCore", "error", err)
	} else if n > 0 {
		p.log.Info("reset connections that contradict the routes", "connections", n)
	}
}
