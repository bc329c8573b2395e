package ipt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/ipt/ipset"
)

// Cleanup implements netrules.Backend.
func (b *Backend) Cleanup(ctx context.Context) ([]netip.Addr, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epoch++
	b.known, b.synced = false, false
	addrs, err := removeRules(ctx, b.prog)
	members, serr := RemoveSets(b.opts.NetNS)
	addrs = append(addrs, members...)
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), errors.Join(err, serr)
}

// RemoveRules removes the chains and jumps that an earlier run left in a variant,
// and returns the edge addresses that were rules. Without the variant's programs
// it wraps ErrNoPrograms.
func RemoveRules(ctx context.Context, v Variant, netNS int) ([]netip.Addr, error) {
	p, err := find(v, netNS)
	if err != nil {
		return nil, err
	}
	return removeRules(ctx, p)
}

func removeRules(ctx context.Context, p programs) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, v6 := range []bool{false, true} {
		if p.save[family(v6)] == "" {
			continue
		}
		have, err := p.read(ctx, v6)
		if err != nil {
			return addrs, err
		}
		if have.empty() {
			continue
		}
		if err := p.restored(ctx, v6, compare(have, nil, nil, nil).script()); err != nil {
			return addrs, fmt.Errorf("remove our chains: %w", err)
		}
		addrs = append(addrs, have.nodes...)
	}
	return addrs, nil
}

// RemoveSets destroys all sets of ours and returns the edge addresses that were in
// them. A kernel without IP sets has none.
func RemoveSets(netNS int) ([]netip.Addr, error) {
	c, err := ipset.Dial(netNS)
	if err != nil {
		return nil, nil //nolint:nilerr // nothing to remove
	}
	defer func() { _ = c.Close() }()
	sets, err := ours(c)
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, v6 := range []bool{false, true} {
		if _, ok := sets[edgeSet(v6)]; !ok {
			continue
		}
		members, err := c.Members(edgeSet(v6))
		if err != nil {
			return addrs, err
		}
		for _, m := range members {
			addrs = append(addrs, m.Addr())
		}
	}
	return addrs, destroy(c, slices.Sorted(maps.Keys(sets)))
}

// Counters implements netrules.Backend.
func (b *Backend) Counters(ctx context.Context) (netrules.Counters, error) {
	var out netrules.Counters
	for _, v6 := range b.families() {
		err := b.prog.saved(ctx, v6, func(r io.Reader) error { return count(r, &out) }, "--counters")
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// count adds the packets of the rules that count. Lines look like
//
//	[7:420] -A EDGEWAY-GUARDED -j DROP
func count(r io.Reader, into *netrules.Counters) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		numbers, rule, _ := strings.Cut(lines.Text(), " -A ")
		name, _, _ := strings.Cut(rule, " ")
		var packets, bytes uint64
		if _, err := fmt.Sscanf(numbers, "[%d:%d]", &packets, &bytes); err != nil {
			continue
		}
		switch name {
		case chainGuarded:
			into.Guarded += packets
		case chainUnrouted:
			into.Unrouted += packets
		case chainRejected:
			into.Rejected += packets
		}
	}
	return lines.Err()
}
