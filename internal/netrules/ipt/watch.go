package ipt

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/netrules/ipt/ipset"
)

// lookEvery lets what others changed be found and repaired within five seconds.
const lookEvery = 3 * time.Second

// watch looks for changes by others until ctx ends.
func (b *Backend) watch(ctx context.Context) {
	defer close(b.done)
	w := &watcher{b: b}
	defer w.close()
	tick := time.NewTicker(cmp.Or(b.opts.LookEvery, lookEvery))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := w.look(ctx); err != nil && ctx.Err() == nil {
				b.log.WarnContext(ctx, "cannot look whether others changed iptables", "error", err)
			}
		}
	}
}

// watcher compares what the kernel holds with what it was left with. It has a
// connection of its own, so that a change of the routes does not wait for it.
type watcher struct {
	b    *Backend
	sets *ipset.Conn
	gen  *netlink.Conn
	// seen is the generation of nf_tables at which all was as it should be, at an
	// epoch of the backend.
	seen  string
	epoch uint64
}

func (w *watcher) close() {
	if w.sets != nil {
		_ = w.sets.Close()
	}
	if w.gen != nil {
		_ = w.gen.Close()
	}
}

// look reads beside the backend. When the backend wrote meanwhile, it reads again
// and lets the backend wait.
func (w *watcher) look(ctx context.Context) error {
	if err := w.connect(); err != nil {
		return err
	}
	w.b.mu.Lock()
	known, epoch := w.b.known, w.b.epoch
	w.b.mu.Unlock()
	if !known {
		return nil
	}
	generation, err := w.generation()
	if err != nil {
		return err
	}
	rules := generation == "" || generation != w.seen || epoch != w.epoch
	s, err := w.b.see(ctx, w.sets, rules)
	if err != nil {
		return err
	}
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	if w.b.epoch != epoch {
		if epoch = w.b.epoch; !w.b.known {
			return nil
		}
		if s, err = w.b.see(ctx, w.sets, true); err != nil {
			return err
		}
	}
	if !w.b.differs(s) {
		w.seen, w.epoch = generation, epoch
		return nil
	}
	w.b.foreign.Store(true)
	select {
	case w.b.disturbed <- struct{}{}:
	default: // somebody is about to look anyway
	}
	return nil
}

func (w *watcher) connect() (err error) {
	if w.b.opts.NoSets || w.sets != nil || !w.b.HasSets() {
		return nil
	}
	w.sets, err = ipset.Dial(w.b.opts.NetNS)
	return err
}

// generation is the kernel's number for the state of all of nf_tables, which tells
// for nothing that no rule was changed. It is empty for legacy tables.
func (w *watcher) generation() (string, error) {
	if w.b.prog.variant != NFT {
		return "", nil
	}
	if w.gen == nil {
		var err error
		if w.gen, err = netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: w.b.opts.NetNS}); err != nil {
			return "", fmt.Errorf("open netlink to netfilter: %w", err)
		}
	}
	msgs, err := w.gen.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN, Flags: netlink.Request},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	})
	if err != nil || len(msgs) == 0 {
		return "", fmt.Errorf("ask for the generation of nf_tables: %w", err)
	}
	return hex.EncodeToString(msgs[0].Data), nil
}

// sight is what the kernel holds of ours.
type sight struct {
	// rules says that states were read.
	rules  bool
	states [2]state
	sets   map[string]ipset.Set
}

func (b *Backend) see(ctx context.Context, sets *ipset.Conn, rules bool) (sight, error) {
	s := sight{rules: rules}
	var err error
	if rules {
		for _, v6 := range b.families() {
			if s.states[family(v6)], err = b.prog.read(ctx, v6); err != nil {
				return s, err
			}
		}
	}
	if sets != nil {
		s.sets, err = ours(sets)
	}
	return s, err
}

// differs tells whether somebody changed what was left in the kernel. The caller
// holds the lock.
func (b *Backend) differs(s sight) bool {
	if s.rules {
		for f := range s.states {
			if !s.states[f].same(b.kept.states[f]) {
				return true
			}
		}
	}
	if s.sets == nil {
		return false
	}
	want := allSets(b.kept.layouts)
	if len(s.sets) != len(want) {
		return true
	}
	for _, set := range want {
		have := s.sets[set.Name]
		if !have.Same(set.Set) || int(have.Count) != b.kept.counts[set.Name] {
			return true
		}
	}
	return false
}

// touched is a look by the backend itself.
func (b *Backend) touched(ctx context.Context, sets *ipset.Conn) (bool, error) {
	s, err := b.see(ctx, sets, true)
	return err != nil || b.differs(s), err
}
