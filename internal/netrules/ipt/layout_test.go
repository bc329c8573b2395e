package ipt

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

var update = flag.Bool("update", false, "write the golden files anew")

// usual has a CloudCore for both families, one for IPv4 and one without endpoint.
func usual() netrules.Rules {
	group := func(ports, target string, v4, v6 bool) netrules.Group {
		return netrules.Group{Key: netrules.Key{Group: netrules.PortGroup(ports), Target: target}, V4: v4, V6: v6}
	}
	return netrules.Rules{
		Groups: []netrules.Group{
			group("10250", "", true, false),
			group("10250-10350", "10351", true, true),
			group("10250-10350", "10352", true, false),
			group("10250-10350", "10353", true, true),
		},
		Targets: []netrules.Target{
			{ID: "10351", TunnelPort: 10351, V4: netip.MustParseAddrPort("10.1.0.1:10003"), V6: netip.MustParseAddrPort("[fd01::1]:10003")},
			{ID: "10352", TunnelPort: 10352, V4: netip.MustParseAddrPort("10.1.0.2:10003")},
			{ID: "10353", TunnelPort: 10353},
		},
		Guard: netrules.Guard{
			Enabled:    true,
			Core:       []netip.AddrPort{netip.MustParseAddrPort("10.1.0.1:10013"), netip.MustParseAddrPort("[fd01::1]:10013")},
			LocalPorts: []uint16{10013, 10014},
		},
	}
}

func nodesOf(v6 bool) []node {
	key := func(target string) netrules.Key { return netrules.Key{Group: "10250-10350", Target: target} }
	if v6 {
		return []node{{netip.MustParseAddr("fd00::1"), key("10351")}, {netip.MustParseAddr("fd00::3"), key("10353")}}
	}
	return []node{
		{netip.MustParseAddr("192.168.0.1"), key("10351")}, {netip.MustParseAddr("192.168.0.2"), key("10352")},
		{netip.MustParseAddr("192.168.0.3"), key("10353")}, {netip.MustParseAddr("192.168.0.4"), netrules.Key{Group: "10250"}},
	}
}

// text shows a layout as the program's input, and its sets.
func text(l layout) string {
	var out strings.Builder
	for _, s := range l.sets {
		fmt.Fprintf(&out, "# set %s %s\n", s.Name, s.Type)
	}
	out.Write(compare(state{}, l.chains, jumps, nil).script())
	return out.String()
}

func TestLayouts(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, sets := range []bool{true, false} {
			name := map[bool]string{false: "ipv4", true: "ipv6"}[v6] + map[bool]string{false: "-rules", true: "-sets"}[sets]
			t.Run(name, func(t *testing.T) {
				nodes := nodesOf(v6)
				if sets {
					nodes = nil
				}
				got := text(render(usual(), v6, sets, nodes))
				path := filepath.Join("testdata", name+".txt")
				if *update {
					if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("rules (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestManyPortsTakeMoreThanOneRule(t *testing.T) {
	var ports []uint16
	for p := range uint16(16) {
		ports = append(ports, 10250+p)
	}
	got := matchPorts(ports)
	want := []string{
		"-p tcp -m multiport --dports 10250,10251,10252,10253,10254,10255,10256,10257,10258,10259,10260,10261,10262,10263,10264",
		"-p tcp -m multiport --dports 10265",
	}
	if !slices.Equal(got, want) {
		t.Errorf("matches are %q, want %q", got, want)
	}
}

func TestSetNamesFitAndDiffer(t *testing.T) {
	keys := []netrules.Key{
		{Group: "10250-10350", Target: "10351"}, {Group: "10250-10350", Target: "10352"}, {Group: "10250", Target: "10350-10351"},
		{Group: "1-2-3-4-5-6-7-8-9-10-11-12-13", Target: "10351"}, {Group: "10250", Target: "a name with spaces"},
		{Group: "10250", Target: "a-name-of-a-target-that-is-rather-long"},
	}
	seen := map[string]netrules.Key{}
	for _, v6 := range []bool{false, true} {
		for _, k := range keys {
			name := groupSet(v6, k)
			if other, taken := seen[name]; taken || len(name+fresh) > 31 || strings.ContainsAny(name, " ") {
				t.Errorf("the set of %v is named %q, which does not fit or is that of %v", k, name, other)
			}
			seen[name] = k
		}
	}
}

// saved is what iptables-save prints for a layout whose jumps are in place, with
// rules of others around them.
func saved(l layout) string {
	var out strings.Builder
	for _, table := range tables {
		fmt.Fprintf(&out, "*%s\n:PREROUTING ACCEPT [0:0]\n", table)
		for _, c := range l.chains {
			if c.table == table {
				fmt.Fprintf(&out, ":%s - [0:0]\n", c.name)
			}
		}
		for _, j := range jumps {
			if j.table == table {
				fmt.Fprintf(&out, "-A %s %s\n-A %s -j KUBE-SERVICES\n", j.builtin, j.rule(), j.builtin)
			}
		}
		for _, c := range l.chains {
			for _, r := range c.rules {
				if c.table == table {
					fmt.Fprintf(&out, "-A %s %s\n", c.name, r)
				}
			}
		}
		out.WriteString("COMMIT\n")
	}
	return out.String()
}

func TestCompareWritesOnlyWhatDiffers(t *testing.T) {
	l := render(usual(), false, true, nil)
	cases := map[string]struct{ old, new, want string }{
		"nothing": {},
		"a rule changed": {"-A EDGEWAY-UNROUTED -j DROP", "-A EDGEWAY-UNROUTED -j ACCEPT",
			"*filter\n:EDGEWAY-UNROUTED - [0:0]\n-A EDGEWAY-UNROUTED -j DROP\nCOMMIT\n"},
		"a chain of ours too many": {":PREROUTING ACCEPT [0:0]\n", ":EDGEWAY-OLD - [0:0]\n:PREROUTING ACCEPT [0:0]\n",
			"*mangle\n:EDGEWAY-OLD - [0:0]\n-X EDGEWAY-OLD\nCOMMIT\n"},
		"a jump is second": {"-A OUTPUT -p tcp -j EDGEWAY-DNAT\n-A OUTPUT -j KUBE-SERVICES\n", "-A OUTPUT -j KUBE-SERVICES\n-A OUTPUT -p tcp -j EDGEWAY-DNAT\n",
			"*nat\n-D OUTPUT -p tcp -j EDGEWAY-DNAT\n-I OUTPUT 1 -p tcp -j EDGEWAY-DNAT\nCOMMIT\n"},
		"a jump is missing": {"-A FORWARD -p tcp -j EDGEWAY-CLOSED\n", "", "*filter\n-I FORWARD 1 -p tcp -j EDGEWAY-CLOSED\nCOMMIT\n"},
		"a second way in": {"-A FORWARD -j KUBE-SERVICES\n", "-A FORWARD -j KUBE-SERVICES\n-A FORWARD -i eth0 -g EDGEWAY-CLOSED\n",
			"*filter\n-D FORWARD -i eth0 -g EDGEWAY-CLOSED\nCOMMIT\n"},
		"a comment about us": {"-A FORWARD -j KUBE-SERVICES\n", "-A FORWARD -m comment --comment \"not -j EDGEWAY-CLOSED\" -j KUBE-SERVICES\n", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			have, err := parse(strings.NewReader(strings.Replace(saved(l), c.old, c.new, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(compare(have, l.chains, jumps, nil).script()); got != c.want {
				t.Errorf("script is\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestRemovalNamesAllThatIsOurs(t *testing.T) {
	l := render(usual(), false, false, nodesOf(false))
	have, err := parse(strings.NewReader(saved(l)))
	if err != nil {
		t.Fatal(err)
	}
	script := compare(have, nil, nil, nil).script()
	for _, c := range l.chains {
		if !bytes.Contains(script, []byte("\n-X "+c.name+"\n")) {
			t.Errorf("the script does not remove chain %s:\n%s", c.name, script)
		}
	}
	for _, j := range jumps {
		if !bytes.Contains(script, []byte("\n-D "+j.builtin+" "+j.rule()+"\n")) {
			t.Errorf("the script does not remove the jump in %s:\n%s", j.builtin, script)
		}
	}
	if bytes.Contains(script, []byte("KUBE")) || len(have.nodes) != 4 {
		t.Errorf("%d addresses are found, want 4; the script must not name others' chains:\n%s", len(have.nodes), script)
	}
}

// TestAnotherRendering accepts how another version of iptables prints a chain, but
// nothing else.
func TestAnotherRendering(t *testing.T) {
	want := chain{nat, chainRoutes, []string{"-p tcp -j RETURN"}}
	printed := chain{nat, chainRoutes, []string{"-p 6 -j RETURN"}}
	tampered := chain{nat, chainRoutes, []string{"-p 6 -j ACCEPT"}}
	at := place{nat, chainRoutes}
	a := accepted{at: {want.digest(), printed.digest()}}
	if !a.right(at, printed.digest(), want.digest()) {
		t.Error("the accepted rendering is called wrong")
	}
	if a.right(at, tampered.digest(), want.digest()) || a.right(at, printed.digest(), tampered.digest()) {
		t.Error("something else than the accepted rendering is called right")
	}
}
