package ipt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/ipt/ipset"
)

// ErrUnusable is wrapped when iptables cannot be used here.
var ErrUnusable = errors.New("iptables is not usable")

// Options say how a Backend works.
type Options struct {
	// NetNS is the file descriptor of a network namespace, 0 for the process's own.
	NetNS int
	// Variant is found out when empty.
	Variant Variant
	// NoSets does without IP sets although the kernel has them.
	NoSets bool
	// LookEvery is how often to look for changes by others; every three seconds
	// when 0.
	LookEvery time.Duration
}

// Backend keeps the chains and sets of one network namespace equal to plans.
type Backend struct {
	log  *slog.Logger
	opts Options
	prog programs
	// v6 and hasSets say what Open found to be usable.
	v6, hasSets bool
	disturbed   chan struct{}
	foreign     atomic.Bool
	stop        context.CancelFunc
	done        chan struct{}

	// mu serializes changes and guards what follows.
	mu sync.Mutex
	// sets is nil when edge addresses are rules.
	sets *ipset.Conn
	kept kept
	// known says that the kernel holds kept as far as we know.
	known bool
	// synced is set once the kernel has been made equal to a plan: what differs
	// from then on was changed by somebody else.
	synced   bool
	accepted [2]accepted
	// epoch counts changes, so that a look beside them is not misled.
	epoch uint64
}

// kept is what the kernel was left with.
type kept struct {
	version uint64
	layouts [2]layout
	states  [2]state
	// counts of members by set.
	counts map[string]int
}

var _ netrules.Backend = (*Backend)(nil)

// Open finds out how iptables works in a network namespace and starts to look for
// changes by others. It changes nothing.
func Open(ctx context.Context, o Options, log *slog.Logger) (*Backend, error) {
	variant := o.Variant
	if variant == "" {
		variant = Detect(ctx, o.NetNS)
	}
	prog, err := find(variant, o.NetNS)
	if err == nil {
		err = permitted(variant)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	b := &Backend{
		log: log, opts: o, prog: prog,
		disturbed: make(chan struct{}, 1), done: make(chan struct{}),
		accepted: [2]accepted{{}, {}},
	}
	if err := b.try(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	b.stop = stop
	go b.watch(watching)
	return b, nil
}

// Name implements netrules.Backend.
func (b *Backend) Name() string { return "iptables-" + string(b.prog.variant) }

// Disturbed implements netrules.Backend.
func (b *Backend) Disturbed() <-chan struct{} { return b.disturbed }

// Variant is the variant that is used.
func (b *Backend) Variant() Variant { return b.prog.variant }

// HasSets tells whether edge addresses are members of IP sets, not rules.
func (b *Backend) HasSets() bool { return b.hasSets }

// HasIPv6 tells whether IPv6 routes are kept.
func (b *Backend) HasIPv6() bool { return b.v6 }

// Close implements netrules.Backend.
func (b *Backend) Close() error {
	b.stop()
	<-b.done
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sets == nil {
		return nil
	}
	return b.sets.Close()
}

// families lists the IP families that are kept; true is IPv6.
func (b *Backend) families() []bool {
	if b.v6 {
		return []bool{false, true}
	}
	return []bool{false}
}

// Apply implements netrules.Backend. After an error the kernel may hold parts of
// the plan, in an order that leaves nothing open; the next call compares all.
func (b *Backend) Apply(ctx context.Context, p netrules.Plan, check netrules.Check) (netrules.Result, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epoch++
	foreign := b.foreign.Swap(false)
	b.known = b.known && !foreign
	if b.known && check == netrules.CheckRules {
		touched, err := b.touched(ctx, b.sets)
		b.known = err == nil && !touched
	}
	if b.known && check != netrules.CheckAll {
		res, err := b.advance(ctx, p)
		if err == nil {
			return res, nil
		}
		b.log.WarnContext(ctx, "kernel is not as it was left, comparing everything", "error", err)
		b.known = false
	}
	// With nothing to change, only somebody else can have made a difference.
	drift := b.synced && (foreign || b.kept.version == p.RulesVersion && len(p.Moves) == 0)
	res, err := b.repair(ctx, p)
	res.Drift = drift && res.Written
	return res, err
}

// layouts renders a plan for both families.
func (b *Backend) layouts(p netrules.Plan) [2]layout {
	var nodes [2][]node
	if b.sets == nil {
		for addr, key := range p.Members {
			f := family(addr.Is6())
			nodes[f] = append(nodes[f], node{addr, key})
		}
	}
	var out [2]layout
	for _, v6 := range b.families() {
		list := nodes[family(v6)]
		slices.SortFunc(list, func(a, b node) int { return a.addr.Compare(b.addr) })
		out[family(v6)] = render(p.Rules, v6, b.sets != nil, list)
	}
	return out
}

func allSets(l [2]layout) []set { return slices.Concat(l[0].sets, l[1].sets) }

// advance goes from what the kernel is known to hold to the plan.
func (b *Backend) advance(ctx context.Context, p netrules.Plan) (netrules.Result, error) {
	next, rulesChanged := b.kept.layouts, p.RulesVersion != b.kept.version
	if rulesChanged || b.sets == nil && len(p.Moves) > 0 {
		next = b.layouts(p)
	}
	work := newSetWork()
	if b.sets != nil {
		for _, m := range p.Moves {
			if b.v6 || m.Addr.Is4() {
				work.move(m)
			}
		}
		if rulesChanged {
			work.exchange(allSets(b.kept.layouts), allSets(next))
		}
	}
	written, err := b.write(ctx, next, b.kept.states, work, rulesChanged || b.sets == nil && len(p.Moves) > 0)
	if err != nil {
		return netrules.Result{}, err
	}
	b.kept.version = p.RulesVersion
	b.kept.count(work)
	return netrules.Result{Written: written, Everything: rulesChanged && written}, nil
}

// count follows the numbers of members.
func (k *kept) count(w setWork) {
	for _, s := range w.create {
		k.counts[s.Name] = len(w.full[s.Name])
	}
	for name, m := range w.add {
		k.counts[name] += len(m)
	}
	for name, m := range w.del {
		k.counts[name] -= len(m)
	}
	for _, name := range w.destroy {
		delete(k.counts, name)
	}
}

// repair reads what the kernel holds and makes it equal to the plan.
func (b *Backend) repair(ctx context.Context, p netrules.Plan) (netrules.Result, error) {
	written, err := b.equalize(ctx, p)
	if err != nil {
		b.redial()
		return netrules.Result{}, fmt.Errorf("make iptables equal to the routes: %w", err)
	}
	b.known, b.synced = true, true
	return netrules.Result{Written: written, Everything: written}, nil
}

func (b *Backend) equalize(ctx context.Context, p netrules.Plan) (bool, error) {
	next := b.layouts(p)
	var have [2]state
	for _, v6 := range b.families() {
		var err error
		if have[family(v6)], err = b.prog.read(ctx, v6); err != nil {
			return false, err
		}
	}
	work, counts := newSetWork(), map[string]int{}
	if b.sets != nil {
		want := allSets(next)
		full := membersOf(p)
		var err error
		if work, err = workFor(b.sets, want, full); err != nil {
			return false, err
		}
		for _, s := range want {
			counts[s.Name] = len(full[s.Name])
		}
	}
	written, err := b.write(ctx, next, have, work, true)
	if err != nil {
		return false, err
	}
	b.kept.version, b.kept.counts = p.RulesVersion, counts
	return written, nil
}

// redial replaces a connection that may hold the rest of an answer.
func (b *Backend) redial() {
	if b.sets == nil {
		return
	}
	next, err := ipset.Dial(b.opts.NetNS)
	if err != nil {
		b.log.Warn("connection to IP sets not renewed", "error", err)
		return
	}
	if err := b.sets.Close(); err != nil {
		b.log.Warn("connection to IP sets not closed", "error", err)
	}
	b.sets = next
}
