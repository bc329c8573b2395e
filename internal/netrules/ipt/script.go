package ipt

import (
	"bytes"
	"fmt"
	"slices"
)

// rendering is how this iptables prints a chain that was written as want.
type rendering struct{ want, got digest }

// accepted remembers renderings that differ: other versions of iptables may print
// a rule in another way than it was written here.
type accepted map[place]rendering

func (a accepted) right(at place, have, want digest) bool {
	return have == want || a[at] == rendering{want, have}
}

// difference is what has to be written for one family.
type difference struct {
	write  []chain
	remove []place
	drop   []reference
	enter  []jump
}

func (d difference) empty() bool {
	return len(d.write) == 0 && len(d.remove) == 0 && len(d.drop) == 0 && len(d.enter) == 0
}

// compare tells what makes have equal to the chains and jumps. Jumps are wanted
// first in their chains; every other way into our chains goes.
func compare(have state, chains []chain, jumps []jump, a accepted) difference {
	var d difference
	wanted := map[place]bool{}
	for _, c := range chains {
		at := place{c.table, c.name}
		wanted[at] = true
		if got, ok := have.chains[at]; !ok || !a.right(at, got, c.digest()) {
			d.write = append(d.write, c)
		}
	}
	for at := range have.chains {
		if !wanted[at] {
			d.remove = append(d.remove, at)
		}
	}
	d.remove = slices.SortedFunc(slices.Values(d.remove), func(a, b place) int { return bytes.Compare([]byte(a.chain), []byte(b.chain)) })
	for _, j := range jumps {
		if !slices.Contains(have.refs, j.reference()) {
			d.enter = append(d.enter, j)
		}
	}
	for _, ref := range have.refs {
		if !slices.ContainsFunc(jumps, func(j jump) bool { return ref == j.reference() }) {
			d.drop = append(d.drop, ref)
		}
	}
	return d
}

// reference is where the jump belongs: first in its chain.
func (j jump) reference() reference { return reference{place{j.table, j.builtin}, 1, j.rule()} }

// script is the difference as input of iptables-restore --noflush: every table's
// part takes effect in one step.
func (d difference) script() []byte {
	var out bytes.Buffer
	for _, table := range tables {
		var text bytes.Buffer
		for _, c := range d.write {
			if c.table == table {
				fmt.Fprintf(&text, ":%s - [0:0]\n", c.name)
			}
		}
		for _, at := range d.remove {
			if at.table == table {
				fmt.Fprintf(&text, ":%s - [0:0]\n", at.chain)
			}
		}
		for _, ref := range d.drop {
			if ref.table == table {
				fmt.Fprintf(&text, "-D %s %s\n", ref.chain, ref.rule)
			}
		}
		for _, j := range d.enter {
			if j.table == table {
				fmt.Fprintf(&text, "-I %s 1 %s\n", j.builtin, j.rule())
			}
		}
		for _, c := range d.write {
			if c.table != table {
				continue
			}
			for _, r := range c.rules {
				fmt.Fprintf(&text, "-A %s %s\n", c.name, r)
			}
		}
		for _, at := range d.remove {
			if at.table == table {
				fmt.Fprintf(&text, "-X %s\n", at.chain)
			}
		}
		if text.Len() > 0 {
			fmt.Fprintf(&out, "*%s\n%sCOMMIT\n", table, text.Bytes())
		}
	}
	return out.Bytes()
}
