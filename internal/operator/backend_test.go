package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/ipt"
	"github.com/edgeway-io/edgeway/internal/netrules/leftovers"
	"github.com/edgeway-io/edgeway/internal/netrules/nft"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// usual is one route for each family.
func usual(t *testing.T) netrules.Plan {
	t.Helper()
	m := netrules.NewModel()
	must(t, m.SetSlice("a", []v1alpha1.EdgeRoute{
		{Node: "a", Address: "192.168.100.1", Ports: []int32{10250}, Target: "10351"},
		{Node: "b", Address: "fd00:100::1", Ports: []int32{10250}, Target: "10351"},
	}))
	must(t, m.SetTargets(&v1alpha1.EdgeRouteTargets{Targets: []v1alpha1.EdgeRouteTarget{{ID: "10351", TunnelPort: 10351,
		Endpoints: []v1alpha1.EdgeRouteEndpoint{{Address: "10.9.1.2", Port: 10003}, {Address: "fd00:1::2", Port: 10003}}}}}))
	return m.Plan()
}

// held tells which backends hold rules of ours.
func held(ns *lab.NS) string {
	var out []string
	for _, place := range []struct{ name, command string }{
		{"nftables", "nft list tables | grep 'inet edgeway'"},
		{"iptables-nft", "iptables-nft-save; ip6tables-nft-save"},
		{"iptables-legacy", "iptables-legacy-save; ip6tables-legacy-save"},
		{"ipset", "ipset list -name"},
	} {
		if text := ns.Exec("sh", "-c", "("+place.command+") 2>/dev/null; true"); strings.Contains(strings.ToLower(text), "edgeway") {
			out = append(out, place.name)
		}
	}
	return strings.Join(out, " ")
}

// TestOnlyOneBackendHoldsRules changes the backend from run to run, as an upgrade
// of a node's kernel or of its kubelet may.
func TestOnlyOneBackendHoldsRules(t *testing.T) {
	ns := lab.New(t, "cloud")
	plan := usual(t)
	for _, run := range []struct{ before, backend, name, held string }{
		{"true", BackendAuto, "nftables", "nftables"},
		{"iptables-legacy -t mangle -N KUBE-KUBELET-CANARY", BackendIPTables, "iptables-legacy", "iptables-legacy ipset"},
		{"iptables-nft -t mangle -N KUBE-KUBELET-CANARY", BackendIPTables, "iptables-nft", "iptables-nft ipset"},
		{"true", BackendNFTables, "nftables", "nftables"},
	} {
		ns.Exec("sh", "-c", run.before)
		b, err := openBackend(t.Context(), run.backend, ns.FD, slog.New(slog.DiscardHandler))
		must(t, err)
		if b.Name() != run.name {
			t.Errorf("backend %s is %s, want %s", run.backend, b.Name(), run.name)
		}
		_, err = b.Apply(t.Context(), plan, netrules.CheckAll)
		must(t, err)
		if got := held(ns); got != run.held {
			t.Errorf("with %s, rules are in %q, want %q", run.name, got, run.held)
		}
		must(t, b.Close())
	}
}

// TestCleanupCleansAllBackends removes what runs with different backends left, some
// of which never got as far as to remove the others'.
func TestCleanupCleansAllBackends(t *testing.T) {
	ns := lab.New(t, "cloud")
	for _, name := range []string{BackendIPTables, BackendNFTables} {
		b, err := openBackend(t.Context(), name, ns.FD, slog.New(slog.DiscardHandler))
		must(t, err)
		_, err = b.(*sole).Backend.Apply(t.Context(), usual(t), netrules.CheckAll)
		must(t, err)
		must(t, b.Close())
	}
	if got, want := held(ns), "nftables iptables-nft ipset"; got != want {
		t.Fatalf("rules are in %q, want %q to begin with", got, want)
	}
	b, err := openBackend(t.Context(), BackendAuto, ns.FD, slog.New(slog.DiscardHandler))
	must(t, err)
	addrs, err := b.Cleanup(t.Context())
	if err != nil || len(addrs) < 2 {
		t.Errorf("cleanup returned %v (%v), want both edge addresses", addrs, err)
	}
	if got := held(ns); got != "" {
		t.Errorf("after the cleanup rules are in %q", got)
	}
	must(t, b.Close())
}

// TestNoBackend names all causes.
func TestNoBackend(t *testing.T) {
	f, err := os.Open(filepath.Join(t.TempDir()))
	must(t, err)
	defer f.Close()
	for name, parts := range map[string][]string{
		BackendAuto: {"netlink", "iptables is not usable"}, BackendNFTables: {"netlink"}, BackendIPTables: {"iptables is not usable"},
	} {
		_, err := openBackend(t.Context(), name, int(f.Fd()), slog.New(slog.DiscardHandler))
		for _, part := range append(parts, "backend "+name) {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("with %s in no network namespace the error is %v, want one that names %q", name, err, part)
			}
		}
	}
}

func TestForeignRulesAreReported(t *testing.T) {
	ns := lab.New(t, "cloud")
	r := newReport("cloud-1", nil)
	var remains error
	l := &foreignLooker{log: slog.New(slog.DiscardHandler), netNS: ns.FD, report: r, remains: func() error { return remains }}
	condition := func() string {
		l.look(t.Context())
		got, _ := r.snapshot()
		for _, c := range got.Conditions {
			if c.Type == v1alpha1.ConditionForeignRules {
				return string(c.Status) + " " + c.Reason + " " + c.Message
			}
		}
		return "no condition"
	}
	if got := condition(); !strings.HasPrefix(got, "False NoneFound") {
		t.Errorf("with nothing there the condition is %s", got)
	}
	remains = errors.New("no NET_RAW")
	if got := condition(); !strings.HasPrefix(got, "True OwnRulesRemain") || !strings.Contains(got, "no NET_RAW") {
		t.Errorf("with rules of ours elsewhere the condition is %s", got)
	}
	ns.Exec("iptables-nft", "-t", "nat", "-N", "TUNNEL-PORT")
	ns.Exec("iptables-nft", "-t", "nat", "-A", "OUTPUT", "-j", "TUNNEL-PORT")
	if got := condition(); !strings.HasPrefix(got, "True Found") || !strings.Contains(got, "1 rule of "+leftovers.KubeEdge+" in iptables-nft") ||
		!strings.Contains(got, "--remove-foreign") {
		t.Errorf("with KubeEdge's chain the condition is %s", got)
	}
}

// TestUninstallDoesNotWaitForWhatIsUnseen: without NET_RAW nobody can see legacy rules,
// and trying again does not help; any other failure is tried again.
func TestUninstallDoesNotWaitForWhatIsUnseen(t *testing.T) {
	for name, test := range map[string]struct {
		failure error
		want    bool
	}{
		"legacy tables without NET_RAW": {fmt.Errorf("%w: NET_RAW", ipt.ErrPermission), true},
		"a failure":                     {errors.New("busy"), false},
	} {
		ns := lab.New(t, "unseen")
		log := slog.New(slog.DiscardHandler)
		backend, err := nft.Open(ns.FD, log)
		must(t, err)
		t.Cleanup(func() { must(t, backend.Close()) })
		model := netrules.NewModel()
		m, err := newMetrics(prometheus.NewRegistry(), backend)
		must(t, err)
		remove := func(context.Context) ([]netip.Addr, error) { return nil, test.failure }
		l := &loop{log: log, model: model, report: newReport("cloud-1", nil), purger: newPurger(log, ns.FD, model, m),
			backend: &sole{Backend: backend, others: []other{{"iptables-legacy", remove}}, log: log}}
		_, err = backend.Apply(t.Context(), model.Plan(), netrules.CheckAll)
		must(t, err)
		if err := l.remove(t.Context()); (err == nil) != test.want {
			t.Errorf("%s: removing ends with %v, want success: %v", name, err, test.want)
		}
		applied := meta.FindStatusCondition(status(l).Conditions, v1alpha1.ConditionApplied)
		if got := applied != nil && applied.Reason == v1alpha1.ReasonRemoved; got != test.want {
			t.Errorf("%s: the report is %+v, want removed: %v", name, applied, test.want)
		}
		if strings.Contains(ns.Exec("nft", "list", "tables"), "edgeway") {
			t.Errorf("%s: our own table is left", name)
		}
	}
}
