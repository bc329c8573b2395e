// Package leftovers finds rules that other tools left in the kernel and that
// redirect connections to edge nodes, too: the chain TUNNEL-PORT of KubeEdge's
// iptables manager, and what KubeSphere's edge-watcher put into chain OUTPUT. They
// are removed on request only.
package leftovers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/edgeway-io/edgeway/internal/netrules/ipt"
)

// Tools whose rules are known.
const (
	KubeEdge   = "KubeEdge's iptables manager"
	KubeSphere = "KubeSphere's edge-watcher"
)

// tunnelPort is the chain of KubeEdge's iptables manager, in table nat.
const tunnelPort = "TUNNEL-PORT"

// ports of the kubelet's logs and metrics, which edge-watcher redirected.
var ports = []uint16{10350, 10250}

// Finding is what one tool left in one place.
type Finding struct {
	Tool string
	// Where is the variant and family, such as "ip6tables-legacy".
	Where string
	// Rules is how many there are.
	Rules int
	// undo is the input of iptables-restore that removes them; empty when the
	// programs that would do it are not installed.
	undo    []string
	variant ipt.Variant
	v6      bool
}

func (f Finding) String() string {
	rules := "rules"
	if f.Rules == 1 {
		rules = "rule"
	}
	return fmt.Sprintf("%d %s of %s in %s", f.Rules, rules, f.Tool, f.Where)
}

// Report is the result of a look.
type Report struct {
	Findings []Finding
	// Unseen are places that could not be looked at, and why.
	Unseen []string
}

// Look searches both variants and families in a network namespace, 0 for the
// process's own. Where iptables is not installed, nf_tables is read directly.
func Look(ctx context.Context, netNS int) Report {
	var r Report
	for _, v := range []ipt.Variant{ipt.NFT, ipt.Legacy} {
		for _, v6 := range []bool{false, true} {
			var found []Finding
			err := ipt.Saved(ctx, v, v6, netNS, func(out io.Reader) (err error) {
				found, err = parse(out, v, v6)
				return err
			})
			if errors.Is(err, ipt.ErrNoPrograms) {
				found, err = without(v, v6, netNS)
			}
			if err != nil {
				r.Unseen = append(r.Unseen, fmt.Sprintf("%s: %v", name(v, v6), err))
			}
			r.Findings = append(r.Findings, found...)
		}
	}
	return r
}

func name(v ipt.Variant, v6 bool) string {
	if v6 {
		return "ip6tables-" + string(v)
	}
	return "iptables-" + string(v)
}

// without looks where no program helps.
func without(v ipt.Variant, v6 bool, netNS int) ([]Finding, error) {
	if v == ipt.NFT {
		return readNFT(v6, netNS)
	}
	there, err := legacyTables(v6)
	if err != nil || !there {
		return nil, err
	}
	return nil, fmt.Errorf("the kernel has legacy tables, and %s-save to read them is not installed", name(v, v6))
}

// legacyTables tells whether legacy table nat exists, in the process's own network
// namespace.
func legacyTables(v6 bool) (bool, error) {
	path := "/proc/net/ip_tables_names"
	if v6 {
		path = "/proc/net/ip6_tables_names"
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return slices.Contains(strings.Fields(string(text)), "nat"), err
}

// byEdgeWatcher is the shape of edge-watcher's rules, as iptables-save prints them.
var byEdgeWatcher = regexp.MustCompile(`^-A OUTPUT -d \S+/(?:32|128) -p tcp -m tcp --dport (\d+) -j DNAT --to-destination \S+$`)

// parse finds rules in what iptables-save prints.
func parse(r io.Reader, v ipt.Variant, v6 bool) ([]Finding, error) {
	kubeEdge := Finding{Tool: KubeEdge, Where: name(v, v6), variant: v, v6: v6}
	kubeSphere := Finding{Tool: KubeSphere, Where: name(v, v6), variant: v, v6: v6}
	there, table := false, ""
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if after, ok := strings.CutPrefix(line, "*"); ok {
			table = after
		}
		if table != "nat" {
			continue
		}
		rule, isRule := strings.CutPrefix(line, "-A ")
		switch {
		case strings.HasPrefix(line, ":"+tunnelPort+" "):
			there = true
		case isRule && strings.HasPrefix(rule, tunnelPort+" "):
			kubeEdge.Rules++
		case isRule && strings.HasSuffix(rule, " -j "+tunnelPort):
			kubeEdge.Rules++
			kubeEdge.undo = append(kubeEdge.undo, "-D "+rule)
		case fromEdgeWatcher(line):
			kubeSphere.Rules++
			kubeSphere.undo = append(kubeSphere.undo, "-D "+rule)
		}
	}
	var out []Finding
	if there {
		// The chain is emptied where its name is given, and so can be removed.
		kubeEdge.undo = slices.Concat([]string{":" + tunnelPort + " - [0:0]"}, kubeEdge.undo, []string{"-X " + tunnelPort})
		out = append(out, kubeEdge)
	}
	if kubeSphere.Rules > 0 {
		out = append(out, kubeSphere)
	}
	return out, lines.Err()
}

func fromEdgeWatcher(line string) bool {
	m := byEdgeWatcher.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	return slices.ContainsFunc(ports, func(p uint16) bool { return fmt.Sprint(p) == m[1] })
}

// Remove removes what was found, and nothing else.
func (r Report) Remove(ctx context.Context, netNS int) error {
	var errs []error
	for _, f := range r.Findings {
		if len(f.undo) == 0 {
			errs = append(errs, fmt.Errorf("%s: %w: run this where %s-restore is", f, ipt.ErrNoPrograms, f.Where))
			continue
		}
		text := "*nat\n" + strings.Join(f.undo, "\n") + "\nCOMMIT\n"
		if err := ipt.Restored(ctx, f.variant, f.v6, netNS, []byte(text)); err != nil {
			errs = append(errs, fmt.Errorf("remove %s: %w", f, err))
		}
	}
	return errors.Join(errs...)
}
