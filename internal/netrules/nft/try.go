package nft

import (
	"fmt"
	"net/netip"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

// Try makes a table with rules of every kind and removes it again, in one
// transaction, so that no packet ever meets it. It tells whether the kernel has all
// that routes need; with a table of ours in place it does, and nothing is tried.
func (b *Backend) Try() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	img, err := b.conn.readTable()
	if err != nil || img.exists {
		return err
	}
	want, err := render(sample())
	if err != nil {
		return err
	}
	tx := &batch{}
	tx.remake(false, want)
	tx.deleteTable()
	if err := b.commit(tx); err != nil {
		return fmt.Errorf("%w: a trial of its rules failed: %w", ErrUnusable, err)
	}
	return nil
}

// sample are rules for which every kind of expression is used, in both families.
func sample() netrules.Rules {
	key := func(target string) netrules.Group {
		return netrules.Group{Key: netrules.Key{Group: "10250-10350", Target: target}, V4: true, V6: true}
	}
	v4, v6 := netip.MustParseAddrPort("192.0.2.1:10003"), netip.MustParseAddrPort("[2001:db8::1]:10003")
	return netrules.Rules{
		Groups:  []netrules.Group{key("1"), key("2")},
		Targets: []netrules.Target{{ID: "1", TunnelPort: 10351, V4: v4, V6: v6}, {ID: "2", TunnelPort: 10352}},
		Guard: netrules.Guard{
			Enabled:    true,
			Core:       []netip.AddrPort{v4, v6},
			LocalPorts: []uint16{10013},
		},
	}
}
