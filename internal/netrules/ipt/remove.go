package ipt

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// RemoveRules removes the chains and jumps that an earlier run left in a variant,
// and returns the edge addresses that were rules. What iptables-nft made is removed
// over netlink, for which neither programs nor the capability NET_RAW are needed; where
// legacy tables exist and it is missing, the error wraps ErrPermission.
func RemoveRules(ctx context.Context, v Variant, netNS int) ([]netip.Addr, error) {
	if v == NFT {
		return removeNFT(netNS)
	}
	four, err := LegacyTables(netNS, false)
	six, err6 := LegacyTables(netNS, true)
	if err := errors.Join(err, err6); err != nil || len(four)+len(six) == 0 {
		return nil, err
	}
	if err := permitted(v); err != nil {
		return nil, err
	}
	p, err := find(v, netNS)
	if err != nil {
		return nil, err
	}
	return removeRules(ctx, p)
}

// LegacyTables lists the legacy tables of a family in a network namespace. Only they
// can hold rules that the kernel shows to nobody without the capability NET_RAW.
func LegacyTables(netNS int, v6 bool) ([]string, error) {
	path := "/proc/thread-self/net/ip_tables_names"
	if v6 {
		path = "/proc/thread-self/net/ip6_tables_names"
	}
	var names []string
	err := inNetNS(netNS, func() error {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		names = strings.Fields(string(text))
		return err
	})
	return names, err
}

// removeRules removes our chains and jumps by a variant's own programs.
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

// removeNFT removes our chains and jumps from the tables of iptables-nft, in one
// transaction.
func removeNFT(netNS int) ([]netip.Addr, error) {
	conn, err := nftables.New(nftables.WithNetNSFd(netNS))
	if err != nil {
		return nil, fmt.Errorf("open netlink to nf_tables: %w", err)
	}
	var addrs []netip.Addr
	found := false
	for _, fam := range []nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyIPv6} {
		chains, err := conn.ListChainsOfTableFamily(fam)
		if err != nil {
			return nil, fmt.Errorf("read nf_tables: %w", err)
		}
		isOurs := func(c *nftables.Chain) bool {
			return slices.Contains(tables, c.Table.Name) && strings.HasPrefix(c.Name, prefix)
		}
		if !slices.ContainsFunc(chains, isOurs) {
			continue
		}
		found = true
		for _, c := range chains {
			rules, err := conn.GetRules(c.Table, c)
			if err != nil {
				return nil, fmt.Errorf("read nf_tables chain %s: %w", c.Name, err)
			}
			if isOurs(c) {
				addrs = append(addrs, addressesOf(c, rules)...)
				conn.FlushChain(c)
				continue
			}
			for _, r := range rules {
				if slices.Contains(tables, c.Table.Name) && entersOurs(r) {
					if err := conn.DelRule(r); err != nil {
						return nil, err
					}
				}
			}
		}
		for _, c := range chains {
			if isOurs(c) {
				conn.DelChain(c)
			}
		}
	}
	if !found {
		return nil, nil
	}
	if err := conn.Flush(); err != nil {
		return nil, fmt.Errorf("remove our chains of iptables-nft: %w", err)
	}
	return addrs, nil
}

func entersOurs(r *nftables.Rule) bool {
	return slices.ContainsFunc(r.Exprs, func(e expr.Any) bool {
		v, ok := e.(*expr.Verdict)
		return ok && strings.HasPrefix(v.Chain, prefix)
	})
}

// addressesOf lists the edge addresses that are rules: each is compared with the
// destination.
func addressesOf(c *nftables.Chain, rules []*nftables.Rule) []netip.Addr {
	if c.Table.Name != nat || c.Name != chainNodes {
		return nil
	}
	var out []netip.Addr
	for _, r := range rules {
		for _, e := range r.Exprs {
			if compared, ok := e.(*expr.Cmp); ok {
				if addr, ok := netip.AddrFromSlice(compared.Data); ok {
					out = append(out, addr)
				}
			}
		}
	}
	return out
}
