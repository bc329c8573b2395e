package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// What is here is how other tools do it, for comparison: two NAT rules for each edge
// node, written by the program iptables.

// ruleTable is a network namespace in which iptables has two rules for each node.
type ruleTable struct {
	b  *bed
	ns *lab.NS
	// program is iptables-nft or iptables-legacy.
	program string
}

func newRuleTable(b *bed, program string) *ruleTable {
	return &ruleTable{b: b, ns: lab.New(b, "peer"), program: program}
}

// ruleArgs are the rules of one node, without -A or -D.
func ruleArgs(addr netip.Addr) [][]string {
	var rules [][]string
	for _, port := range []string{"10350", "10250"} {
		rules = append(rules, []string{"OUTPUT", "-p", "tcp", "-d", addr.String(), "--dport", port, "-j", "DNAT", "--to-destination", core1IP + ":10003"})
	}
	return rules
}

// restore loads the rules of the first count nodes by iptables-restore and gives the
// time that took.
func (t *ruleTable) restore(count int) time.Duration {
	var in bytes.Buffer
	fmt.Fprintln(&in, "*nat")
	for n := range count {
		for _, args := range ruleArgs(edgeAddr(n)) {
			fmt.Fprintln(&in, "-A", strings.Join(args, " "))
		}
	}
	fmt.Fprintln(&in, "COMMIT")
	start := time.Now()
	t.run(&in, t.program+"-restore")
	return time.Since(start)
}

// flush empties the chain.
func (t *ruleTable) flush() { t.run(nil, t.program, "-t", "nat", "-F", "OUTPUT") }

// appendOne adds the rules of one more node, and gives the time that took.
func (t *ruleTable) appendOne(addr netip.Addr) time.Duration {
	start := time.Now()
	for _, args := range ruleArgs(addr) {
		t.run(nil, t.program, append([]string{"-t", "nat", "-A"}, args...)...)
	}
	return time.Since(start)
}

// readd deletes the rules of the first count nodes one by one and adds them again one
// by one, and gives the time that took.
func (t *ruleTable) readd(count int) time.Duration {
	start := time.Now()
	for _, action := range []string{"-D", "-A"} {
		for n := range count {
			for _, args := range ruleArgs(edgeAddr(n)) {
				t.run(nil, t.program, append([]string{"-t", "nat", action}, args...)...)
			}
		}
	}
	return time.Since(start)
}

// run runs a program in the namespace; none is started from outside it, so that no
// other program's start is in the time.
func (t *ruleTable) run(stdin *bytes.Buffer, name string, args ...string) {
	t.b.must(t.ns.Do(func() error {
		cmd := exec.Command(name, args...)
		if stdin != nil {
			cmd.Stdin = stdin
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
		}
		return nil
	}))
}
