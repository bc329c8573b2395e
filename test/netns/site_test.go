package netns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/conntrack"
	"github.com/edgeway-io/edgeway/internal/netrules/ipt"
	"github.com/edgeway-io/edgeway/internal/netrules/nft"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

const (
	edgeA, edgeB = "192.168.100.1", "192.168.100.2"
	edgeA6       = "fd00:100::1"
	// prompt bounds what should happen at once, dead what must not happen at all.
	prompt = 5 * time.Second
	dead   = 700 * time.Millisecond
)

// site is a cloud node with a pod, two CloudCores behind one link, and the world
// behind its default route, in which strangers own the edge nodes' addresses. No
// namespace but the node has a route back to the others, so that answers need
// masquerading.
type site struct {
	t                      testing.TB
	node, pod, core, world *lab.NS
	core1, core2, stranger *lab.Server
	kind                   kind
	backend                netrules.Backend
	model                  *netrules.Model
}

// kind is a way to hold the rules.
type kind struct {
	name string
	// open connects a backend to the network namespace of a file descriptor.
	open func(netNS int, log *slog.Logger) (netrules.Backend, error)
	// dump lists what a node's kernel holds; what changes by itself is left out.
	dump func(node *lab.NS) string
	// slow is how many times longer a change takes than with the fastest kind, about.
	slow int
	// iptables are the options of a kind that uses it.
	iptables *ipt.Options
}

// kinds are all backends; the first is the one of newSite.
var kinds = []kind{
	{name: "nftables", slow: 1, dump: dumpNFT, open: func(netNS int, log *slog.Logger) (netrules.Backend, error) { return nft.Open(netNS, log) }},
	iptablesKind("iptables-nft", ipt.Options{Variant: ipt.NFT}),
	iptablesKind("iptables-legacy", ipt.Options{Variant: ipt.Legacy}),
	iptablesKind("iptables-legacy-without-ipset", ipt.Options{Variant: ipt.Legacy, NoSets: true}),
}

func iptablesKind(name string, o ipt.Options) kind {
	return kind{
		name: name, slow: 3, iptables: &o,
		dump: func(node *lab.NS) string { return dumpIPTables(node, o.Variant) },
		open: func(netNS int, log *slog.Logger) (netrules.Backend, error) {
			o.NetNS = netNS
			return ipt.Open(context.Background(), o, log)
		},
	}
}

func (k kind) rulePerNode() bool { return k.iptables != nil && k.iptables.NoSets }

// look is how often the kind looks for changes that it is not told of.
func (k kind) look() time.Duration {
	if k.iptables == nil {
		return 0
	}
	return k.iptables.LookEvery
}

// watchful are all backends; those that have to look for changes do so often.
func watchful() []kind {
	all := []kind{kinds[0]}
	for _, k := range kinds[1:] {
		o := *k.iptables
		o.LookEvery = 250 * time.Millisecond
		all = append(all, iptablesKind(k.name, o))
	}
	return all
}

// sameButBaseChains compares what dump gave. iptables leaves empty built-in chains
// where there were none.
func (k kind) sameButBaseChains(a, b string) bool {
	if k.iptables == nil {
		return a == b
	}
	builtin := regexp.MustCompile(`(?m)^(\*.*|COMMIT|:(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) ACCEPT *)\n`)
	return builtin.ReplaceAllString(a, "") == builtin.ReplaceAllString(b, "")
}

// forEachBackend runs a test on a fresh site for every backend, side by side and
// beside other tests: most of their time is spent waiting.
func forEachBackend(t *testing.T, f func(t *testing.T, s *site)) {
	t.Helper()
	forEachOf(t, kinds, f)
}

func forEachOf(t *testing.T, kinds []kind, f func(t *testing.T, s *site)) {
	t.Helper()
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			f(t, newSiteOf(t, k))
		})
	}
}

// newSite is a site with the nftables backend.
func newSite(t testing.TB) *site {
	t.Helper()
	return newSiteOf(t, kinds[0])
}

func newSiteOf(t testing.TB, k kind) *site {
	t.Helper()
	s := &site{t: t, kind: k, node: lab.New(t, "node"), pod: lab.New(t, "pod"), core: lab.New(t, "core"), world: lab.New(t, "world")}
	lab.Link(t, s.node, "core", []string{"10.9.1.1/24", "fd00:1::1/64"}, s.core, "node",
		[]string{"10.9.1.2/24", "10.9.1.3/24", "fd00:1::2/64"})
	lab.Link(t, s.node, "pod", []string{"10.9.2.1/24", "fd00:2::1/64"}, s.pod, "node", []string{"10.9.2.2/24", "fd00:2::2/64"})
	lab.Link(t, s.node, "world", []string{"10.9.3.1/24", "fd00:3::1/64"}, s.world, "node", []string{"10.9.3.2/24", "fd00:3::2/64"})
	s.node.IP("route", "add", "default", "via", "10.9.3.2")
	s.node.IP("-6", "route", "add", "default", "via", "fd00:3::2")
	s.pod.IP("route", "add", "default", "via", "10.9.2.1")
	s.pod.IP("-6", "route", "add", "default", "via", "fd00:2::1")
	s.world.IP("route", "add", "10.9.0.0/16", "via", "10.9.3.1")
	s.world.IP("addr", "add", edgeA+"/32", "dev", "lo")
	s.node.Sysctl("net.ipv4.ip_forward", "1")
	s.node.Sysctl("net.ipv6.conf.all.forwarding", "1")
	s.core1 = s.core.Serve("core1", "10.9.1.2:10003")
	s.core2 = s.core.Serve("core2", "10.9.1.3:10003")
	s.core.Serve("core1-v6", "[fd00:1::2]:10003")
	s.stranger = s.world.Serve("stranger", edgeA+":10250")
	s.model = netrules.NewModel()
	s.open()
	return s
}

var discard = slog.New(slog.NewTextHandler(io.Discard, nil))

// open connects an operator's backend to the node, as a start of it does.
func (s *site) open() netrules.Backend {
	s.t.Helper()
	log := discard
	if os.Getenv("NETNS_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	b, err := s.kind.open(s.node.FD, log)
	if err != nil {
		s.t.Fatalf("open backend: %v", err)
	}
	s.backend = b
	s.t.Cleanup(func() { _ = b.Close() })
	return b
}

func route(node, address, target string) v1alpha1.EdgeRoute {
	return v1alpha1.EdgeRoute{Node: node, Address: address, Ports: []int32{10350, 10250}, Target: target}
}

// some are count routes, in turns to one CloudCore and the other; odd turns differ.
func some(count, turn int) []v1alpha1.EdgeRoute {
	addr := netip.MustParseAddr("172.16.0.1")
	var out []v1alpha1.EdgeRoute
	for n := range count {
		out = append(out, route(fmt.Sprintf("n%d", n), addr.String(), []string{"10351", "10352"}[(n+turn)%2]))
		addr = addr.Next()
	}
	return out
}

func (s *site) routes(routes ...v1alpha1.EdgeRoute) *site {
	s.t.Helper()
	if err := s.model.SetSlice("a", routes); err != nil {
		s.t.Fatalf("routes: %v", err)
	}
	return s
}

// targets sets two CloudCores; an empty address means no endpoint.
func (s *site) targets(guard *v1alpha1.EdgeRouteGuard, addrs ...string) *site {
	s.t.Helper()
	if err := s.model.SetTargets(targetsOf(guard, addrs...)); err != nil {
		s.t.Fatalf("targets: %v", err)
	}
	return s
}

func targetsOf(guard *v1alpha1.EdgeRouteGuard, addrs ...string) *v1alpha1.EdgeRouteTargets {
	obj := &v1alpha1.EdgeRouteTargets{Guard: guard}
	for i, list := range addrs {
		port := int32(10351 + i)
		target := v1alpha1.EdgeRouteTarget{ID: []string{"10351", "10352"}[i], TunnelPort: port}
		for addr := range strings.FieldsSeq(list) {
			target.Endpoints = append(target.Endpoints, v1alpha1.EdgeRouteEndpoint{Address: addr, Port: 10003})
		}
		obj.Targets = append(obj.Targets, target)
	}
	return obj
}

// apply does what the operator does on a change.
func (s *site) apply(check netrules.Check) netrules.Result {
	s.t.Helper()
	plan := s.model.Plan()
	res, err := s.backend.Apply(context.Background(), plan, check)
	if err != nil {
		s.t.Fatalf("apply: %v", err)
	}
	s.model.Commit()
	judge := conntrack.Judge{Model: s.model, All: res.Everything, Moved: map[netip.Addr]netrules.Key{}, Targets: plan.Rules.Targets}
	conntrack.NoteMoves(judge.Moved, plan.Moves)
	if _, err := conntrack.Purge(s.node.FD, judge.Families(), judge.Wrong); err != nil {
		s.t.Fatalf("purge: %v", err)
	}
	return res
}

// usual is two edge nodes on two CloudCores.
func (s *site) usual() *site {
	s.routes(route("a", edgeA, "10351"), route("b", edgeB, "10352"), route("a", edgeA6, "10351")).
		targets(nil, "10.9.1.2 fd00:1::2", "10.9.1.3")
	s.apply(netrules.Trust)
	return s
}

var volatile = regexp.MustCompile(`packets \d+ bytes \d+`)

// ruleset is what the node's kernel holds, without its counters.
func (s *site) ruleset() string { return s.kind.dump(s.node) }

// nftSets are the sets in a list of nft's.
var nftSets = regexp.MustCompile(`(?ms)^\tset .*?^\t}\n`)

// dumpNFT puts the sets in order: the kernel lists them as they were made.
func dumpNFT(node *lab.NS) string {
	out := volatile.ReplaceAllString(node.Exec("nft", "list", "ruleset"), "")
	sets := nftSets.FindAllString(out, -1)
	slices.Sort(sets)
	return nftSets.ReplaceAllString(out, "") + strings.Join(sets, "")
}

// comments are lines that tell time and counts.
var comments = regexp.MustCompile(`(?m)^#.*\n|\[\d+:\d+\]| initval 0x[0-9a-f]+| hashsize \d+| bucketsize \d+`)

func dumpIPTables(node *lab.NS, v ipt.Variant) string {
	var out strings.Builder
	for _, family := range []string{"iptables", "ip6tables"} {
		fmt.Fprintf(&out, "%s\n%s", family, node.Exec(fmt.Sprintf("%s-%s-save", family, v)))
	}
	sets := strings.Split(node.Exec("ipset", "save"), "\n")
	slices.Sort(sets)
	return comments.ReplaceAllString(out.String()+strings.Join(sets, "\n"), "")
}

func (s *site) expect(from *lab.NS, address, want string) {
	s.t.Helper()
	got, err := from.Who(address, prompt)
	if err != nil || got != want {
		s.t.Errorf("from %s, %s answered %q (%v), want %q\n%s", from.Name, address, got, err, want, s.ruleset())
	}
}

// refused wants a TCP reset.
func (s *site) refused(from *lab.NS, address string) {
	s.t.Helper()
	if got, err := from.Who(address, prompt); !errors.Is(err, syscall.ECONNREFUSED) {
		s.t.Errorf("from %s, %s answered %q (%v), want connection refused", from.Name, address, got, err)
	}
}

// dropped wants no answer at all.
func (s *site) dropped(from *lab.NS, address string) {
	s.t.Helper()
	if got, err := from.Who(address, dead); !errors.Is(err, context.DeadlineExceeded) && !os.IsTimeout(err) {
		s.t.Errorf("from %s, %s answered %q (%v), want silence", from.Name, address, got, err)
	}
}
