package netns

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

func containsLine(text, part string) bool {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return true
		}
	}
	return false
}

// generation is the kernel's number for the state of all rules of a namespace.
func generation(t *testing.T, ns *lab.NS) string {
	t.Helper()
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: ns.FD})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	msgs, err := c.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN, Flags: netlink.Request},
		Data:   []byte{0, 0, 0, 0},
	})
	if err != nil || len(msgs) != 1 || len(msgs[0].Data) < 12 {
		t.Fatalf("ask for the generation: %d messages, %v", len(msgs), err)
	}
	return fmt.Sprintf("%x", msgs[0].Data[4:12])
}

func TestRestartWritesNothing(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		s.usual()
		guarded := &v1alpha1.EdgeRouteGuard{Enabled: true, Ports: []int32{10013, 10014}, Addresses: []string{"10.9.1.2", "fd00:1::2"}}
		s.targets(guarded, "10.9.1.2 fd00:1::2", "10.9.1.3")
		s.apply(netrules.Trust)
		before, rules := generation(t, s.node), s.ruleset()
		for _, check := range []netrules.Check{netrules.CheckAll, netrules.CheckRules, netrules.Trust} {
			s.open()
			if res := s.apply(check); res.Written || res.Drift {
				t.Errorf("a restart with check %d did %+v, want nothing", check, res)
			}
			if res := s.apply(check); res.Written || res.Drift {
				t.Errorf("a second look with check %d did %+v, want nothing", check, res)
			}
		}
		if after := generation(t, s.node); after != before {
			t.Errorf("rule generation went from %s to %s, want no change", before, after)
		}
		if after := s.ruleset(); after != rules {
			t.Errorf("rules were:\n%s\nare:\n%s", rules, after)
		}
	})
}

func TestRestartCatchesUp(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		s.usual()
		s.open()
		s.routes(route("a", edgeA, "10352"))
		if res := s.apply(netrules.Trust); !res.Written || res.Drift {
			t.Errorf("a restart with other routes did %+v, want an update that is not drift", res)
		}
		s.expect(s.node, edgeA+":10250", "core2")
	})
}

func TestRepairsWhatOthersChange(t *testing.T) {
	t.Parallel()
	cases := map[string][]string{
		"flush ruleset":     {"flush", "ruleset"},
		"delete element":    {"delete", "element", "inet", "edgeway", "edge4", "{", edgeA, "}"},
		"foreign element":   {"add", "element", "inet", "edgeway", "edge4", "{", "10.99.99.99", "}"},
		"element of ports":  {"delete", "element", "inet", "edgeway", "ports.10250-10350", "{", "10250", "}"},
		"foreign rule":      {"insert", "rule", "inet", "edgeway", "dnat4", "accept"},
		"flush chain":       {"flush", "chain", "inet", "edgeway", "closed4"},
		"foreign chain":     {"add", "chain", "inet", "edgeway", "mine"},
		"foreign set":       {"add", "set", "inet", "edgeway", "mine", "{", "type", "ipv4_addr", ";", "}"},
		"delete our table":  {"delete", "table", "inet", "edgeway"},
		"dormant by others": {"flush", "table", "inet", "edgeway"},
	}
	for name, command := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t).usual()
			s.damaged(append([]string{"nft"}, command...)...)
		})
	}
}

// damaged runs a command that changes our rules, and wants that to be noticed and
// repaired.
func (s *site) damaged(command ...string) {
	s.t.Helper()
	want := s.ruleset()
	s.node.Exec(command...)
	if s.ruleset() == want {
		s.t.Fatalf("%s changed nothing", command)
	}
	select {
	case <-s.backend.Disturbed():
	case <-time.After(prompt):
		s.t.Fatalf("the backend did not notice %s", command)
	}
	if res := s.apply(netrules.Trust); !res.Drift || !res.Written {
		s.t.Errorf("the repair after %s says %+v, want drift", command, res)
	}
	if got := s.ruleset(); got != want {
		s.t.Errorf("after %s and its repair:\n%s\nwant:\n%s", command, got, want)
	}
	s.expect(s.node, edgeA+":10250", "core1")
}

func TestOwnAndUnrelatedChangesAreNoDisturbance(t *testing.T) {
	forEachOf(t, watchful(), func(t *testing.T, s *site) {
		s.usual()
		s.foreign()
		s.routes(route("a", edgeA, "10352"))
		s.apply(netrules.Trust)
		s.undisturbed()
	})
}

// foreign makes rules of others.
func (s *site) foreign() {
	s.t.Helper()
	s.node.Exec("nft", "add", "table", "inet", "other")
	if s.kind.iptables == nil {
		return
	}
	s.node.Exec("ipset", "create", "other", "hash:ip")
	for _, family := range []string{"iptables", "ip6tables"} {
		command := fmt.Sprintf("%s-%s", family, s.kind.iptables.Variant)
		for _, table := range []string{"nat", "filter", "mangle"} {
			s.node.Exec(command, "-t", table, "-N", "KUBE-SERVICES")
			s.node.Exec(command, "-t", table, "-A", "OUTPUT", "-m", "comment", "--comment", "to -j EDGEWAY-X", "-j", "KUBE-SERVICES")
			s.node.Exec(command, "-t", table, "-A", "KUBE-SERVICES", "-p", "tcp", "--dport", "1", "-j", "RETURN")
		}
	}
}

// undisturbed wants the backend to take nothing so far for somebody else's change.
func (s *site) undisturbed() {
	s.t.Helper()
	select {
	case <-s.backend.Disturbed():
		s.t.Error("the backend calls its own or an unrelated change a disturbance")
	case <-time.After(200*time.Millisecond + 3*s.kind.look()):
	}
}

func TestCleanupLeavesNothing(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		s.foreign()
		before := s.ruleset()
		s.usual()
		addrs, err := s.backend.Cleanup(t.Context())
		if err != nil || len(addrs) != 3 {
			t.Errorf("cleanup returned %v (%v), want three addresses", addrs, err)
		}
		if after := s.ruleset(); !s.kind.sameButBaseChains(before, after) {
			t.Errorf("after cleanup:\n%s\nwant:\n%s", after, before)
		}
		if addrs, err := s.backend.Cleanup(t.Context()); err != nil || len(addrs) != 0 {
			t.Errorf("a second cleanup returned %v (%v), want nothing to do", addrs, err)
		}
	})
}

// TestManyRoutes loads more than one message's worth of elements, and more than
// the default netlink buffer, in one transaction.
func TestManyRoutes(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		count := 20000
		if s.kind.rulePerNode() {
			count /= 10
		}
		s.targets(nil, "10.9.1.2", "10.9.1.3")
		s.fill(count)
		timed := func(what string) netrules.Result {
			start := time.Now()
			res := s.apply(netrules.Trust)
			t.Logf("%s: %v", what, time.Since(start))
			return res
		}
		timed("load")
		if s.kind.iptables == nil { // it hears of its own 20,000 changes
			s.undisturbed()
		}
		s.expect(s.node, "172.16.0.1:10250", "core1")
		s.expect(s.node, "172.16.0.2:10250", "core2")
		s.routes(route("a", edgeA, "10352"))
		timed("add one")
		s.expect(s.node, edgeA+":10250", "core2")
		s.open()
		if res := timed("restart"); res.Written {
			t.Errorf("a restart did %+v, want nothing", res)
		}
	})
}

// TestChangesAddUpToThePlan makes random changes one by one and then lets a fresh
// backend, which reads everything, look for anything to correct.
func TestChangesAddUpToThePlan(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		r := rand.New(rand.NewPCG(7, 7))
		s.targets(nil, "10.9.1.2", "10.9.1.3")
		s.apply(netrules.Trust)
		for n := range 120 / s.kind.slow {
			var routes []v1alpha1.EdgeRoute
			for host := range 8 {
				if r.IntN(4) > 0 {
					address := []string{fmt.Sprintf("192.168.7.%d", host), fmt.Sprintf("fd00:7::%d", host)}[r.IntN(2)]
					routes = append(routes, route("n", address, []string{"", "10351", "10352", "10399"}[r.IntN(4)]))
				}
			}
			s.routes(routes...)
			if r.IntN(6) == 0 {
				s.targets(nil, []string{"", "10.9.1.2", "10.9.1.2 fd00:1::2"}[r.IntN(3)], []string{"", "10.9.1.3"}[r.IntN(2)])
			}
			s.apply(netrules.Trust)
			if n%20 != 19 {
				continue
			}
			before := s.ruleset()
			s.open()
			if res := s.apply(netrules.Trust); res.Written {
				t.Fatalf("after change %d a fresh look had to correct the kernel:\n%s\nis now:\n%s", n, before, s.ruleset())
			}
		}
	})
}
