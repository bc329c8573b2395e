package ipt

import (
	"context"
	"fmt"
)

// write turns what the kernel holds into the layouts: sets first, so that rules
// find them full; then rules; then what nothing asks for any more.
func (b *Backend) write(ctx context.Context, next [2]layout, have [2]state, work setWork, rules bool) (bool, error) {
	written := !work.empty()
	if b.sets != nil {
		if err := work.before(b.sets); err != nil {
			return false, err
		}
	}
	b.kept.layouts, b.kept.states = next, have
	if rules {
		for _, v6 := range b.families() {
			wrote, err := b.writeRules(ctx, v6)
			if err != nil {
				return false, err
			}
			written = written || wrote
		}
	}
	if b.sets != nil {
		return written, work.after(b.sets)
	}
	return written, nil
}

// writeRules makes one family's chains equal to its layout, and reads back what
// became of them.
func (b *Backend) writeRules(ctx context.Context, v6 bool) (bool, error) {
	f := family(v6)
	want, have := b.kept.layouts[f].chains, b.kept.states[f]
	d := compare(have, want, jumps, b.accepted[f])
	if d.empty() {
		return false, nil
	}
	if err := b.prog.restored(ctx, v6, d.script()); err != nil {
		return false, err
	}
	got, err := b.prog.read(ctx, v6)
	if err != nil {
		return false, err
	}
	for _, c := range d.write {
		at, want := place{c.table, c.name}, c.digest()
		switch read := got.chains[at]; {
		case read == want:
			delete(b.accepted[f], at)
		case read.rules == want.rules:
			b.accepted[f][at] = rendering{want, read}
		default:
			return false, fmt.Errorf("chain %s of table %s holds %d rules, not the %d just written: somebody else writes it", c.name, c.table, read.rules, want.rules)
		}
	}
	if d := compare(got, want, jumps, b.accepted[f]); !d.empty() {
		return false, fmt.Errorf("iptables holds something else than what was just written; %d chains and %d jumps differ", len(d.write)+len(d.remove), len(d.enter)+len(d.drop))
	}
	b.kept.states[f] = got
	return true, nil
}
