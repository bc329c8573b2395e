package leftovers

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/internal/netrules/ipt"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// others makes the rules of both tools in one variant and family, beside rules that
// look a little like them.
func others(ns *lab.NS, command, address string) {
	to := address
	if strings.Contains(address, ":") {
		to = "[" + address + "]"
	}
	script := `
		C -t nat -N TUNNEL-PORT
		C -t nat -A OUTPUT -m comment --comment "kubeedge tunnel port" -j TUNNEL-PORT
		C -t nat -A PREROUTING -m comment --comment "kubeedge tunnel port" -j TUNNEL-PORT
		C -t nat -A TUNNEL-PORT -p tcp --dport 10351 -j DNAT --to TO:10003
		C -t nat -A OUTPUT -p tcp --dport 10350 -d A -j DNAT --to-destination TO:30003
		C -t nat -A OUTPUT -p tcp --dport 10250 -d A -j DNAT --to-destination TO:30003
		C -t nat -A OUTPUT -p tcp --dport 8080 -d A -j DNAT --to-destination TO:80
		C -t nat -A OUTPUT -p tcp --dport 10250 -j DNAT --to-destination TO:80
		C -t nat -A OUTPUT -p tcp --dport 10250 -d A -j RETURN
		C -t filter -A OUTPUT -p tcp --dport 10250 -d A -j DROP`
	ns.Exec("sh", "-ec", strings.NewReplacer("C ", command+" ", "TO", to, " A ", " "+address+" ").Replace(script))
}

func TestFoundAndRemoved(t *testing.T) {
	for _, v := range []ipt.Variant{ipt.NFT, ipt.Legacy} {
		for _, v6 := range []bool{false, true} {
			where := name(v, v6)
			t.Run(where, func(t *testing.T) {
				ns := lab.New(t, "cloud")
				if got := Look(t.Context(), ns.FD); len(got.Findings)+len(got.Unseen) > 0 {
					t.Fatalf("in an empty namespace %+v is found", got)
				}
				others(ns, where, map[bool]string{false: "10.0.0.9", true: "fd00::9"}[v6])
				r := Look(t.Context(), ns.FD)
				want := fmt.Sprintf("3 rules of %s in %s, 2 rules of %s in %s", KubeEdge, where, KubeSphere, where)
				if got := list(r.Findings); got != want {
					t.Fatalf("found %s, want %s", got, want)
				}
				if v == ipt.NFT {
					netlink, err := readNFT(v6, ns.FD)
					if got := list(netlink); err != nil || got != want {
						t.Errorf("over netlink %s is found (%v), want %s", got, err, want)
					}
				}
				if err := r.Remove(context.Background(), ns.FD); err != nil {
					t.Fatal(err)
				}
				if got := Look(t.Context(), ns.FD); len(got.Findings) > 0 {
					t.Errorf("after the removal %s is found", list(got.Findings))
				}
				rest := ns.Exec(where, "-t", "nat", "-S")
				if n := strings.Count(rest, "\n-A "); n != 3 || strings.Contains(rest, tunnelPort) {
					t.Errorf("%d rules of nobody known are left, want 3:\n%s", n, rest)
				}
			})
		}
	}
}

func list(findings []Finding) string {
	texts := make([]string, 0, len(findings))
	for _, f := range findings {
		texts = append(texts, f.String())
	}
	return strings.Join(texts, ", ")
}

func TestWithoutProgramsRemovalSaysWhere(t *testing.T) {
	err := Report{Findings: []Finding{{Tool: KubeEdge, Where: "iptables-nft", Rules: 1}}}.Remove(t.Context(), 0)
	if err == nil || !strings.Contains(err.Error(), "iptables-nft-restore") {
		t.Errorf("error is %v, want one that names the missing program", err)
	}
}

func TestParseKeepsToTableNAT(t *testing.T) {
	found, err := parse(strings.NewReader("*filter\n:TUNNEL-PORT - [0:0]\n-A OUTPUT -j TUNNEL-PORT\nCOMMIT\n"), ipt.NFT, false)
	if err != nil || len(found) > 0 {
		t.Errorf("found %v (%v), want nothing", found, err)
	}
	found, err = parse(strings.NewReader("*nat\n:TUNNEL-PORT - [0:0]\nCOMMIT\n"), ipt.NFT, false)
	want := []string{":TUNNEL-PORT - [0:0]", "-X TUNNEL-PORT"}
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v (%v), want the empty chain", found, err)
	}
	if diff := cmp.Diff(want, found[0].undo); diff != "" {
		t.Errorf("undo (-want +got):\n%s", diff)
	}
}
