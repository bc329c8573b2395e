package nft

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

// Name of the backend as CloudNodeRoutes reports it.
const Name = "nftables"

// ErrUnusable is wrapped when the kernel does not let us use nf_tables at all.
var ErrUnusable = errors.New("nf_tables is not usable")

// quietElements is the size of a transaction from which on it is made with nobody
// listening: the kernel makes a notification of several kilobytes for every element
// before it throws it away, which takes six times as long as the transaction.
const quietElements = 500

// attempts at a transaction that others keep invalidating while it is prepared.
const attempts = 3

// Backend keeps table inet edgeway of one network namespace equal to plans.
type Backend struct {
	log     *slog.Logger
	netNS   int
	monitor *monitor

	// mu serializes transactions and guards what follows.
	mu   sync.Mutex
	conn *conn
	// written is what the kernel holds as far as we know; known says that we do.
	written layout
	version uint64
	known   bool
	// synced is set once the kernel has been made equal to a plan: what differs
	// from then on was changed by somebody else.
	synced bool
}

var _ netrules.Backend = (*Backend)(nil)

// Open connects to nf_tables in a network namespace given by its file descriptor,
// 0 for the process's own, and starts to listen for changes by others. It changes
// nothing.
func Open(netNS int, log *slog.Logger) (*Backend, error) {
	c, err := dial(netNS)
	if err != nil {
		return nil, err
	}
	if _, err := c.readTable(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrUnusable, err), c.close())
	}
	b := &Backend{log: log, netNS: netNS, conn: c}
	if b.monitor, err = listen(netNS, log); err != nil {
		return nil, errors.Join(err, c.close())
	}
	b.monitor.own(c.port)
	return b, nil
}

// Name implements netrules.Backend.
func (b *Backend) Name() string { return Name }

// Disturbed implements netrules.Backend.
func (b *Backend) Disturbed() <-chan struct{} { return b.monitor.disturbed }

// Close implements netrules.Backend.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return errors.Join(b.monitor.close(), b.conn.close())
}

// Apply implements netrules.Backend.
func (b *Backend) Apply(ctx context.Context, p netrules.Plan, check netrules.Check) (netrules.Result, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	foreign := b.monitor.takeForeign()
	b.known = b.known && !foreign
	if b.known && check == netrules.CheckRules {
		b.known = b.rulesUntouched()
	}
	if b.known && check != netrules.CheckAll {
		res, err := b.advance(p)
		if err == nil {
			return res, nil
		}
		b.log.WarnContext(ctx, "kernel is not as it was left, comparing everything", "error", err)
		b.known = false
	}
	// With nothing to change, only somebody else can have made a difference.
	drift := b.synced && (foreign || b.version == p.RulesVersion && len(p.Moves) == 0)
	res, err := b.repair(ctx, p)
	res.Drift = drift && res.Written
	return res, err
}

// rulesUntouched compares the kernel's rules with those written last.
func (b *Backend) rulesUntouched() bool {
	img, err := b.conn.readTable()
	return err == nil && img.sameRules(b.written)
}

// advance goes from what the kernel is known to hold to the plan.
func (b *Backend) advance(p netrules.Plan) (netrules.Result, error) {
	tx, next, err := step(b.written, b.version, p)
	if err != nil {
		return netrules.Result{}, err
	}
	if err := b.commit(tx); err != nil {
		return netrules.Result{}, err
	}
	rulesChanged := p.RulesVersion != b.version
	b.written, b.version = next, p.RulesVersion
	return netrules.Result{Written: !tx.empty(), Everything: rulesChanged && !tx.empty()}, nil
}

// step is the transaction that leads from a layout, made for a version of the
// rules, to the plan, whose layout it returns.
func step(from layout, version uint64, p netrules.Plan) (*batch, layout, error) {
	tx := &batch{}
	if p.RulesVersion == version {
		newChanges(tx, from).moves(p.Moves)
		return tx, from, nil
	}
	next, err := render(p.Rules)
	if err != nil {
		return nil, layout{}, err
	}
	if sameLayout(from, next) {
		newChanges(tx, next).moves(p.Moves)
	} else {
		transition(tx, from, next, p.Moves)
	}
	return tx, next, nil
}

// anew is the transaction that makes the table with everything in it, instead of
// the one that exists.
func anew(exists bool, want layout, p netrules.Plan) *batch {
	tx := &batch{}
	tx.remake(exists, want)
	newChanges(tx, want).members(p)
	return tx
}

// transition rewrites all rules and exchanges the sets that they no longer use
// for those that they do.
func transition(tx *batch, from, to layout, moves []netrules.Move) {
	for _, c := range from.chains {
		tx.flushChain(c.name)
	}
	for _, s := range to.sets {
		if !from.hasSet(s.name) {
			tx.addSet(s)
		}
	}
	newChanges(tx, to).moves(moves)
	for _, c := range to.chains {
		tx.addRules(c)
	}
	for _, s := range from.sets {
		if !to.hasSet(s.name) {
			tx.deleteSet(s.name)
		}
	}
}

// repair reads what the kernel holds and makes it equal to the plan.
func (b *Backend) repair(ctx context.Context, p netrules.Plan) (netrules.Result, error) {
	want, err := render(p.Rules)
	if err != nil {
		return netrules.Result{}, err
	}
	var written bool
	for attempt := 1; ; attempt++ {
		written, err = b.equalize(p, want)
		if err == nil {
			break
		}
		if attempt == attempts || ctx.Err() != nil {
			return netrules.Result{}, fmt.Errorf("make table inet %s equal to the routes: %w", tableName, err)
		}
		b.log.WarnContext(ctx, "table changed while it was compared, trying again", "error", err)
		if err := b.redial(); err != nil {
			return netrules.Result{}, err
		}
	}
	b.written, b.version, b.known, b.synced = want, p.RulesVersion, true, true
	return netrules.Result{Written: written, Everything: written}, nil
}

// equalize is one attempt at repair. Wrong elements are exchanged; with anything
// else wrong the table is made anew, in the same transaction.
func (b *Backend) equalize(p netrules.Plan, want layout) (bool, error) {
	img, err := b.conn.readTable()
	if err != nil {
		return false, err
	}
	tx := &batch{}
	if !img.sameRules(want) {
		tx = anew(img.exists, want, p)
	} else if err := correct(b.conn, p, want, tx); err != nil {
		return false, err
	}
	if err := b.commit(tx); err != nil {
		return false, err
	}
	return !tx.empty(), nil
}

// remake makes the table with everything in it but edge addresses.
func (b *batch) remake(exists bool, want layout) {
	if exists {
		b.deleteTable()
	}
	b.addTable()
	for _, s := range want.sets {
		b.addSet(s)
	}
	for _, c := range want.chains {
		b.addChain(c)
	}
	for _, c := range want.chains {
		b.addRules(c)
	}
}

// commit sends a transaction. After a failure the connection may still hold
// answers, so it is exchanged for a fresh one.
func (b *Backend) commit(tx *batch) error {
	send := func() error { return b.conn.commit(tx) }
	var err error
	if tx.elements > quietElements {
		err = b.monitor.quietly(b.conn.generation, send)
	} else {
		err = send()
	}
	if err != nil {
		return errors.Join(err, b.redial())
	}
	return nil
}

func (b *Backend) redial() error {
	fresh, err := dial(b.netNS)
	if err != nil {
		return err
	}
	b.monitor.own(fresh.port)
	old := b.conn
	b.conn = fresh
	return old.close()
}

// Counters implements netrules.Backend.
func (b *Backend) Counters(context.Context) (netrules.Counters, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out netrules.Counters
	err := b.conn.readCounters(nothing, func(name string, packets uint64) {
		switch name {
		case counterGuarded:
			out.Guarded = packets
		case counterUnrouted:
			out.Unrouted = packets
		case counterRejected:
			out.Rejected = packets
		}
	})
	if errors.Is(err, unix.ENOENT) { // no table yet
		return netrules.Counters{}, nil
	}
	return out, err
}

// Cleanup implements netrules.Backend.
func (b *Backend) Cleanup(context.Context) ([]netip.Addr, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	img, err := b.conn.readTable()
	if err != nil || !img.exists {
		return nil, err
	}
	var addrs []netip.Addr
	for _, v6 := range []bool{false, true} {
		if _, ok := img.sets[edgeSet(v6)]; !ok {
			continue
		}
		before := len(addrs)
		err := b.conn.readElements(edgeSet(v6), func() { addrs = addrs[:before] }, func(key []byte, _ bool) {
			if addr, ok := netip.AddrFromSlice(key); ok {
				addrs = append(addrs, addr)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	tx := &batch{}
	tx.deleteTable()
	b.known, b.synced = false, false
	return addrs, b.commit(tx)
}

func (l layout) hasSet(name string) bool {
	return slices.ContainsFunc(l.sets, func(s set) bool { return s.name == name })
}

// sameLayout compares by names and comments, which carry hashes of the content.
func sameLayout(a, b layout) bool {
	return slices.EqualFunc(a.sets, b.sets, func(a, b set) bool { return a.name == b.name }) &&
		slices.EqualFunc(a.chains, b.chains, func(a, b chain) bool {
			return a.name == b.name && slices.EqualFunc(a.rules, b.rules, func(a, b rule) bool { return a.comment == b.comment })
		})
}
