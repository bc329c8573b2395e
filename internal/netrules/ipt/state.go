package ipt

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"maps"
	"net/netip"
	"strings"
)

// place is a chain of a table.
type place struct{ table, chain string }

// digest is what is remembered of a chain's rules.
type digest struct {
	rules int
	sum   string
}

// reference is a rule of somebody else's chain that enters one of ours.
type reference struct {
	place
	// at is the rule's position, from 1.
	at   int
	rule string
}

// state is what the kernel holds of ours for one IP family.
type state struct {
	chains map[place]digest
	refs   []reference
	// nodes are the addresses that are rules.
	nodes []netip.Addr
}

func (s state) same(other state) bool {
	if !maps.Equal(s.chains, other.chains) || len(s.refs) != len(other.refs) {
		return false
	}
	for i := range s.refs {
		if s.refs[i] != other.refs[i] {
			return false
		}
	}
	return true
}

func (s state) empty() bool { return len(s.chains) == 0 && len(s.refs) == 0 }

// digester adds up rules.
type digester struct {
	rules int
	sum   hash.Hash
}

func (d *digester) add(rule string) {
	d.rules++
	_, _ = io.WriteString(d.sum, rule+"\n") // a hash never fails
}

func (d *digester) digest() digest { return digest{d.rules, hex.EncodeToString(d.sum.Sum(nil)[:12])} }

// digest of a chain as it should be.
func (c chain) digest() digest {
	d := digester{sum: sha256.New()}
	for _, r := range c.rules {
		d.add(r)
	}
	return d.digest()
}

// read reads the state of one family.
func (p programs) read(ctx context.Context, v6 bool) (state, error) {
	var s state
	err := p.saved(ctx, v6, func(r io.Reader) (err error) {
		s, err = parse(r)
		return err
	})
	return s, err
}

// parse reads what iptables-save prints, and keeps what is ours.
func parse(r io.Reader) (state, error) {
	s := state{chains: map[place]digest{}}
	open := map[place]*digester{}
	position := map[string]int{}
	table := ""
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
			clear(position)
		case strings.HasPrefix(line, ":"+prefix):
			name, _, _ := strings.Cut(line[1:], " ")
			open[place{table, name}] = &digester{sum: sha256.New()}
		case strings.HasPrefix(line, "-A "):
			name, rule, _ := strings.Cut(line[3:], " ")
			if d, ours := open[place{table, name}]; ours {
				d.add(rule)
				s.note(table, name, rule)
				continue
			}
			position[name]++
			if target(rule) {
				s.refs = append(s.refs, reference{place{table, name}, position[name], rule})
			}
		}
	}
	for at, d := range open {
		s.chains[at] = d.digest()
	}
	return s, lines.Err()
}

// note keeps the addresses of rules that stand for edge addresses.
func (s *state) note(table, name, rule string) {
	if table != nat || name != chainNodes {
		return
	}
	text, _, _ := strings.Cut(strings.TrimPrefix(rule, "-d "), " ")
	if p, err := netip.ParsePrefix(text); err == nil {
		s.nodes = append(s.nodes, p.Addr())
	}
}

// target tells whether a rule enters a chain of ours. Nothing follows the name of a
// chain, so a comment cannot look like it.
func target(rule string) bool {
	fields := strings.Fields(rule)
	n := len(fields)
	return n >= 2 && (fields[n-2] == "-j" || fields[n-2] == "-g") && strings.HasPrefix(fields[n-1], prefix)
}
