package netns

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/host"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// bridgeSysctls decide whether a bridge shows netfilter what it forwards.
var bridgeSysctls = []string{"net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"}

// bridge is two pods on one bridge of the site's node: a client, and a CloudCore that
// reaches the client without asking the node.
type bridge struct {
	client *lab.NS
	core   *lab.Server
}

func (s *site) bridge(filtered bool) bridge {
	s.t.Helper()
	value := map[bool]string{true: "1", false: "0"}[filtered]
	for _, name := range bridgeSysctls {
		s.node.Sysctl(name, value)
		if got := readSysctl(s.t, s.node, name); got != value {
			s.t.Fatalf("%s is %s after it was set to %s", name, got, value)
		}
	}
	s.node.IP("link", "add", "br0", "type", "bridge")
	s.node.IP("addr", "add", "10.9.5.1/24", "dev", "br0")
	s.node.IP("addr", "add", "fd00:5::1/64", "dev", "br0", "nodad")
	s.node.IP("link", "set", "br0", "up")
	pod := func(name, v4, v6 string) *lab.NS {
		ns := lab.New(s.t, name)
		lab.Link(s.t, s.node, name, nil, ns, "uplink", []string{v4 + "/24", v6 + "/64"})
		s.node.IP("link", "set", name, "master", "br0")
		ns.IP("route", "add", "default", "via", "10.9.5.1")
		ns.IP("-6", "route", "add", "default", "via", "fd00:5::1")
		return ns
	}
	b := bridge{client: pod("client", "10.9.5.2", "fd00:5::2")}
	core := pod("bridged", "10.9.5.3", "fd00:5::3")
	b.core = core.Serve("bridged-core", ":10003")
	core.Serve("own", ":"+corePort)
	return b
}

func readSysctl(t testing.TB, ns *lab.NS, name string) string {
	t.Helper()
	var value []byte
	err := ns.Do(func() (err error) {
		value, err = os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
		return err
	})
	if err != nil {
		t.Fatalf("read %s (is the kernel's br_netfilter loaded?): %v", name, err)
	}
	return strings.TrimSpace(string(value))
}

// TestBridgedPods has a client pod and CloudCore on one bridge. Where the bridge does
// not show netfilter what it forwards, CloudCore's answer would go to the client past
// the redirection, were it not for the masquerade.
func TestBridgedPods(t *testing.T) {
	for _, filtered := range []bool{false, true} {
		t.Run(map[bool]string{false: "bridge-nf-call-iptables 0", true: "bridge-nf-call-iptables 1"}[filtered], func(t *testing.T) {
			forEachBackend(t, func(t *testing.T, s *site) {
				b := s.bridge(filtered)
				s.routes(route("a", edgeA, "10351"), route("a", edgeA6, "10351")).targets(nil, "10.9.5.3 fd00:5::3")
				s.apply(netrules.Trust)
				for _, from := range []*lab.NS{b.client, s.pod, s.node} {
					s.expect(from, edgeA+":10250", "bridged-core")
					s.expect(from, "["+edgeA6+"]:10350", "bridged-core")
				}
				for _, peer := range b.core.Peers() {
					if peer != netip.MustParseAddr("10.9.5.1") && peer != netip.MustParseAddr("fd00:5::1") {
						t.Errorf("CloudCore saw %s, want an address of the node", peer)
					}
				}
			})
		})
	}
}

// TestGuardOfBridgedPods says how far the guard reaches on a bridge: to all that goes
// through the node, and to what the bridge forwards where netfilter is shown that.
func TestGuardOfBridgedPods(t *testing.T) {
	for _, filtered := range []bool{false, true} {
		t.Run(map[bool]string{false: "bridge-nf-call-iptables 0", true: "bridge-nf-call-iptables 1"}[filtered], func(t *testing.T) {
			forEachOf(t, kinds[:1], func(t *testing.T, s *site) { // the bridge decides, not the backend
				b := s.bridge(filtered)
				s.routes(route("a", edgeA, "10351"), route("a", edgeA6, "10351")).targets(guardFacts("10.9.5.3", "fd00:5::3"), "10.9.5.3 fd00:5::3")
				s.apply(netrules.Trust)
				s.unfiltered(map[bool][]string{true: nil, false: {"br0"}}[filtered])
				for _, address := range []string{"10.9.5.3:" + corePort, "[fd00:5::3]:" + corePort} {
					s.dropped(s.pod, address)
					s.dropped(s.node, address)
					if filtered {
						s.dropped(b.client, address)
					} else { // a known limit; the operator reports it
						s.expect(b.client, address, "own")
					}
				}
			})
		})
	}
}

// unfiltered wants the node's bridges of these names to be reported.
func (s *site) unfiltered(want []string) {
	s.t.Helper()
	err := s.node.Do(func() error {
		got, err := host.UnfilteredBridges()
		if !slices.Equal(got, want) {
			s.t.Errorf("unfiltered bridges are %v (%v), want %v", got, err, want)
		}
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
}

// TestMultiHomedHost has two uplinks: edge addresses leave by one, CloudCore is behind
// the other and has no way back to the first one's address, which the kernel chose
// before the redirection. Strict reverse path filtering is on.
func TestMultiHomedHost(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		for _, dev := range []string{"all", "core", "world", "pod"} {
			s.node.Sysctl("net.ipv4.conf."+dev+".rp_filter", "1")
		}
		for _, lost := range []string{"10.9.2.0/24", "10.9.3.0/24"} {
			s.core.IP("route", "add", "blackhole", lost)
		}
		for _, lost := range []string{"fd00:2::/64", "fd00:3::/64"} {
			s.core.IP("-6", "route", "add", "blackhole", lost)
		}
		s.usual()
		for _, from := range []*lab.NS{s.node, s.pod} {
			s.expect(from, edgeA+":10250", "core1")
			s.expect(from, edgeB+":10350", "core2")
			s.expect(from, "["+edgeA6+"]:10250", "core1-v6")
		}
		uplink := netip.MustParseAddr("10.9.1.1")
		for _, peer := range append(s.core1.Peers(), s.core2.Peers()...) {
			if peer != uplink {
				t.Errorf("CloudCore saw %s, want %s, the address of the uplink to it", peer, uplink)
			}
		}
	})
}
