package netns

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/ipt"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// TestRepairsIPTables damages rules and sets in every way that others do. IPT and
// IP6T stand for the variant's programs.
func TestRepairsIPTables(t *testing.T) {
	const flush = "for i in IPT IP6T; do for t in nat filter mangle; do $i -t $t -F; $i -t $t -X; done; done"
	rules := []string{
		flush,
		"IP6T -t nat -F EDGEWAY-ROUTES",
		"IPT -t nat -D EDGEWAY-DNAT 1",
		"IPT -t filter -I EDGEWAY-CLOSED 1 -j ACCEPT",
		"IPT -t mangle -R EDGEWAY-GUARDED 1 -j RETURN",
		"IPT -t nat -D OUTPUT 1",
		"IPT -t nat -A OUTPUT -p tcp -j EDGEWAY-DNAT",
		"IPT -t nat -N EDGEWAY-MINE && IPT -t nat -A PREROUTING -j EDGEWAY-MINE",
	}
	sets := []string{
		"ipset del EDGEWAY-4-EDGE " + edgeA,
		"ipset add EDGEWAY-4-EDGE 10.99.99.99",
		"ipset flush EDGEWAY-6-EDGE",
		"ipset create EDGEWAY-MINE hash:ip",
		"ipset create EDGEWAY-MINE hash:ip maxelem 1048576 && ipset swap EDGEWAY-MINE EDGEWAY-4-EDGE && ipset destroy EDGEWAY-MINE",
		flush + "; ipset destroy",
	}
	forEachOf(t, watchful()[1:], func(t *testing.T, s *site) {
		s.usual()
		s.targets(guardFacts("10.9.1.2", "fd00:1::2"), "10.9.1.2 fd00:1::2", "10.9.1.3")
		s.apply(netrules.Trust)
		commands := rules
		if !s.kind.rulePerNode() {
			commands = slices.Concat(rules, sets)
		}
		for _, command := range commands {
			s.damaged("sh", "-c", s.programs(command))
		}
	})
}

// programs names the variant's programs in a command.
func (s *site) programs(command string) string {
	v := string(s.kind.iptables.Variant)
	return strings.NewReplacer("IPT", "iptables-"+v, "IP6T", "ip6tables-"+v).Replace(command)
}

// TestFirstAgain moves the jumps behind others' rules, as a kube-proxy that starts
// later does.
func TestFirstAgain(t *testing.T) {
	forEachOf(t, watchful()[1:], func(t *testing.T, s *site) {
		s.usual()
		s.node.Exec("sh", "-c", s.programs("IPT -t nat -I OUTPUT 1 -p tcp --dport 10250 -j ACCEPT"))
		select {
		case <-s.backend.Disturbed():
		case <-time.After(prompt):
			t.Fatal("the backend did not notice")
		}
		if res := s.apply(netrules.Trust); !res.Drift {
			t.Errorf("the repair says %+v, want drift", res)
		}
		out := s.node.Exec("sh", "-c", s.programs("IPT -t nat -S OUTPUT"))
		want := "-P OUTPUT ACCEPT\n-A OUTPUT -p tcp -j EDGEWAY-DNAT\n-A OUTPUT -p tcp -m tcp --dport 10250 -j ACCEPT\n"
		if out != want {
			t.Errorf("chain OUTPUT is\n%swant\n%s", out, want)
		}
		s.expect(s.node, edgeA+":10250", "core1")
	})
}

// TestNoticesWithinSeconds holds the backends to their own pace.
func TestNoticesWithinSeconds(t *testing.T) {
	forEachOf(t, kinds[1:3], func(t *testing.T, s *site) {
		s.usual()
		s.damaged("sh", "-c", s.programs("IPT -t nat -F"))
	})
}

// TestDetect finds the variant that kubelet, or whoever made more rules, uses.
func TestDetect(t *testing.T) {
	t.Parallel()
	cases := []struct {
		commands string
		want     ipt.Variant
	}{
		{"true", ipt.NFT},
		{"iptables-nft -t mangle -N KUBE-IPTABLES-HINT; iptables-legacy -A INPUT -j ACCEPT", ipt.NFT},
		{"iptables-legacy -t mangle -N KUBE-KUBELET-CANARY; iptables-nft -A INPUT -j ACCEPT", ipt.Legacy},
		{"ip6tables-legacy -A INPUT -j ACCEPT", ipt.Legacy},
		{"iptables-legacy -A INPUT -j ACCEPT; iptables-nft -A INPUT -j ACCEPT", ipt.NFT},
	}
	for n, c := range cases {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			node := lab.New(t, "node")
			node.Exec("sh", "-c", c.commands)
			if got := ipt.Detect(t.Context(), node.FD); got != c.want {
				t.Errorf("after %q, variant %s is found, want %s", c.commands, got, c.want)
			}
		})
	}
}
