package ipt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/netrules/ipt/ipset"
)

// ErrPermission is wrapped when the process may not do what iptables needs.
var ErrPermission = errors.New("missing permission")

// capabilities that iptables needs: its set match and its legacy variant use raw
// sockets.
var capabilities = []struct {
	bit  uint
	name string
}{{unix.CAP_NET_ADMIN, "NET_ADMIN"}, {unix.CAP_NET_RAW, "NET_RAW"}}

// permitted tells what is missing before iptables fails in a less clear way.
func permitted(v Variant) error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return fmt.Errorf("read own capabilities: %w", err)
	}
	if err := capable(string(status)); err != nil {
		return err
	}
	if v != Legacy {
		return nil
	}
	path := lockFile()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("%w: iptables-legacy locks %s; mount the host's file into the container, writable: %w", ErrPermission, path, err)
	}
	return f.Close()
}

func lockFile() string {
	if path := os.Getenv("XTABLES_LOCKFILE"); path != "" {
		return path
	}
	return "/run/xtables.lock"
}

// capable looks for the effective capabilities in the text of /proc/PID/status.
func capable(status string) error {
	for line := range strings.Lines(status) {
		text, ok := strings.CutPrefix(line, "CapEff:")
		if !ok {
			continue
		}
		set, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
		if err != nil {
			return fmt.Errorf("read own capabilities: %w", err)
		}
		for _, c := range capabilities {
			if set&(1<<c.bit) == 0 {
				return fmt.Errorf("%w: iptables needs the capability %s; add it to the container's securityContext.capabilities", ErrPermission, c.name)
			}
		}
		return nil
	}
	return errors.New("read own capabilities: no line CapEff")
}

// try finds out what the kernel and the programs can do together: IP sets, IPv6.
// Nothing stays changed.
func (b *Backend) try(ctx context.Context) error {
	if !b.opts.NoSets {
		b.trySets(ctx)
	}
	if err := b.tryFamily(ctx, false); err != nil {
		return errors.Join(err, b.closeSets())
	}
	if err := b.tryFamily(ctx, true); err != nil {
		b.log.WarnContext(ctx, "IPv6 routes are left out: ip6tables is not usable", "error", err)
	} else {
		b.v6 = true
	}
	b.log.InfoContext(ctx, "iptables is usable", "variant", b.prog.variant, "ipSets", b.sets != nil, "ipv6", b.v6)
	return nil
}

func (b *Backend) closeSets() error {
	if b.sets == nil {
		return nil
	}
	return b.sets.Close()
}

// tryFamily lets iptables-restore look at rules of every kind without writing them.
func (b *Backend) tryFamily(ctx context.Context, v6 bool) error {
	address := "192.0.2.1:1"
	if v6 {
		address = "[2001:db8::1]:1"
	}
	return b.test(ctx, v6, map[string][]string{
		mangle: {"-p tcp -m multiport --dports 1 -j DROP"},
		filter: {"-m conntrack --ctdir REPLY -j RETURN", "-p tcp -j REJECT --reject-with tcp-reset"},
		nat:    {"-p tcp -j DNAT --to-destination " + address},
	})
}

// test looks at rules by table.
func (b *Backend) test(ctx context.Context, v6 bool, rules map[string][]string) error {
	const name = prefix + "TRIAL"
	var d difference
	for _, table := range tables {
		if len(rules[table]) > 0 {
			d.write = append(d.write, chain{table, name, rules[table]})
		}
	}
	return b.prog.restored(ctx, v6, d.script(), "--test")
}

// trySets keeps a connection to IP sets when rules can use them.
func (b *Backend) trySets(ctx context.Context) {
	c, err := ipset.Dial(b.opts.NetNS)
	if err == nil {
		if err = b.trySetMatch(ctx, c); err == nil {
			b.sets, b.hasSets = c, true
			return
		}
		err = errors.Join(err, c.Close())
	}
	b.log.WarnContext(ctx, "every edge address will be a rule: IP sets are not usable", "error", err)
}

// trySetMatch uses the set of edge addresses of an earlier run, or one for the
// occasion.
func (b *Backend) trySetMatch(ctx context.Context, c *ipset.Conn) error {
	have, err := ours(c)
	if err != nil {
		return err
	}
	s := ipset.Set{Name: edgeSet(false), Type: ipset.HashIP, MaxElem: maxElem}
	if !have[s.Name].Same(s) {
		s.Name = prefix + "TRIAL"
		if err := errors.Join(c.Destroy(s.Name), c.Create(s)); err != nil {
			return err
		}
		defer func() { _ = destroy(c, []string{s.Name}) }()
	}
	return b.test(ctx, false, map[string][]string{nat: {"-p tcp -m set --match-set " + s.Name + " dst -j RETURN"}})
}
