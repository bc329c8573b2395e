package ipt

import (
	"bufio"
	"context"
	"io"
	"strings"
)

// hintChains are made by kubelet and kube-proxy to tell which variant they use.
var hintChains = []string{"KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"}

// census is what a variant holds for both IP families.
type census struct {
	// hints counts chains of hintChains, rules those that are not ours.
	hints, rules int
}

// Detect tells which variant the other programs of this host use. As kube-proxy's
// images do, it trusts kubelet's hints first, those in nft before those in legacy
// tables, and compares the numbers of rules when there are none.
func Detect(ctx context.Context, netNS int) Variant {
	counts := map[Variant]census{}
	for _, v := range []Variant{NFT, Legacy} {
		p, err := find(v, netNS)
		if err != nil {
			continue
		}
		var sum census
		for _, v6 := range []bool{false, true} {
			// A family or variant that the kernel does not have holds no rules.
			_ = p.saved(ctx, v6, sum.count)
		}
		counts[v] = sum
	}
	return decide(counts)
}

// decide chooses from what the installed variants hold.
func decide(counts map[Variant]census) Variant {
	nft, hasNFT := counts[NFT]
	legacy, hasLegacy := counts[Legacy]
	switch {
	case !hasLegacy:
		return NFT
	case !hasNFT:
		return Legacy
	case nft.hints > 0:
		return NFT
	case legacy.hints > 0 || legacy.rules > nft.rules:
		return Legacy
	}
	return NFT
}

// count adds what iptables-save prints.
func (c *census) count(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		for _, hint := range hintChains {
			if strings.HasPrefix(line, ":"+hint+" ") {
				c.hints++
			}
		}
		// What an earlier run of ours left says nothing about others.
		if strings.HasPrefix(line, "-A ") && !strings.HasPrefix(line, "-A "+prefix) && !target(line) {
			c.rules++
		}
	}
	return lines.Err()
}
