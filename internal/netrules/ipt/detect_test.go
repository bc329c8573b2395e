package ipt

import (
	"errors"
	"strings"
	"testing"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

func TestDecide(t *testing.T) {
	cases := map[string]struct {
		counts map[Variant]census
		want   Variant
	}{
		"nothing at all":         {map[Variant]census{NFT: {}, Legacy: {}}, NFT},
		"no programs":            {nil, NFT},
		"only legacy installed":  {map[Variant]census{Legacy: {}}, Legacy},
		"only nft installed":     {map[Variant]census{NFT: {}}, NFT},
		"kubelet in nft":         {map[Variant]census{NFT: {hints: 1}, Legacy: {hints: 1, rules: 90}}, NFT},
		"kubelet in legacy":      {map[Variant]census{NFT: {rules: 90}, Legacy: {hints: 1}}, Legacy},
		"more rules in legacy":   {map[Variant]census{NFT: {rules: 1}, Legacy: {rules: 2}}, Legacy},
		"as many rules as there": {map[Variant]census{NFT: {rules: 2}, Legacy: {rules: 2}}, NFT},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := decide(c.counts); got != c.want {
				t.Errorf("variant %s is chosen, want %s", got, c.want)
			}
		})
	}
}

func TestCensusCountsOthersOnly(t *testing.T) {
	var c census
	text := saved(render(usual(), false, true, nil)) + "*mangle\n:KUBE-IPTABLES-HINT - [0:0]\n:KUBE-IPTABLES-HINTS - [0:0]\nCOMMIT\n"
	if err := c.count(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if want := (census{hints: 1, rules: len(jumps)}); c != want {
		t.Errorf("census is %+v, want %+v", c, want)
	}
}

func TestMissingCapabilityIsNamed(t *testing.T) {
	for name, c := range map[string]struct{ status, part string }{
		"all":       {"Name:\tx\nCapEff:\t000001ffffffffff\n", ""},
		"both":      {"CapEff:\t0000000000003000\n", ""},
		"no raw":    {"CapEff:\t0000000000001000\n", "NET_RAW"},
		"none":      {"CapEff:\t0000000000000000\n", "NET_ADMIN"},
		"no answer": {"Name:\tx\n", "CapEff"},
	} {
		t.Run(name, func(t *testing.T) {
			err := capable(c.status)
			if c.part == "" && err != nil || c.part != "" && (err == nil || !strings.Contains(err.Error(), c.part)) {
				t.Errorf("error is %v, want one that names %q", err, c.part)
			}
		})
	}
}

func TestLockThatCannotBeTaken(t *testing.T) {
	t.Setenv("XTABLES_LOCKFILE", t.TempDir()+"/missing/xtables.lock")
	if err := permitted(Legacy); !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "xtables.lock") {
		t.Errorf("error is %v, want one that names the lock", err)
	}
	if err := permitted(NFT); err != nil {
		t.Errorf("variant nft, which takes no lock, says %v", err)
	}
}

func TestCounters(t *testing.T) {
	var c netrules.Counters
	text := "*filter\n:EDGEWAY-UNROUTED - [0:0]\n[1:60] -A EDGEWAY-UNROUTED -j DROP\n[2:120] -A EDGEWAY-REJECTED -p tcp -j REJECT --reject-with tcp-reset\n" +
		"[9:540] -A EDGEWAY-NOROUTE -g EDGEWAY-UNROUTED\nCOMMIT\n*mangle\n[4:240] -A EDGEWAY-GUARDED -j DROP\nCOMMIT\n"
	for range 2 { // two families add up
		if err := count(strings.NewReader(text), &c); err != nil {
			t.Fatal(err)
		}
	}
	if want := (netrules.Counters{Guarded: 8, Unrouted: 2, Rejected: 4}); c != want {
		t.Errorf("counters are %+v, want %+v", c, want)
	}
}
