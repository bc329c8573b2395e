package routes

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"regexp"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// addressPattern is that of the CRD as it is installed.
func addressPattern(t *testing.T) *regexp.Regexp {
	t.Helper()
	raw, err := os.ReadFile("../../charts/kubeedge/crds/edgeway.io_edgerouteslices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd any
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		t.Fatal(err)
	}
	at := func(v any, key string) any { m, _ := v.(map[string]any); return m[key] }
	versions, _ := at(at(crd, "spec"), "versions").([]any)
	v := at(at(at(versions[0], "schema"), "openAPIV3Schema"), "properties")
	pattern, found := at(at(at(at(at(v, "routes"), "items"), "properties"), "address"), "pattern").(string)
	if !found {
		t.Fatal("the CRD has no pattern of an address")
	}
	return regexp.MustCompile(pattern)
}

// TestNoRouteIsRefusedByTheAPI: what is routed matches the schema, whatever a Node says, so
// that one Node's address cannot keep a slice with the routes of others from being written.
func TestNoRouteIsRefusedByTheAPI(t *testing.T) {
	pattern := addressPattern(t)
	r := rand.New(rand.NewPCG(7, 1))
	texts := []string{"::82", "0.1.2.3", "0.0.0.1", "127.9.9.9", "::1", "::ffff:192.168.1.1", "::ffff:0.1.2.3", "64:ff9b::1", "fe80::1%eth0", "0:0::5", "255.255.255.255", "240.0.0.1"}
	for range 5000 {
		var b [16]byte
		for i := range b {
			b[i] = []byte{0, 0, 1, 127, 255, byte(r.IntN(256))}[r.IntN(6)]
		}
		a4, a6 := netip.AddrFrom4([4]byte(b[:4])), netip.AddrFrom16(b)
		texts = append(texts, a4.String(), a6.String())
	}
	routed := 0
	for _, text := range texts {
		plan := Compute(oneCore(t, cloud("cp", "10.0.0.1"), edge("e", text, 10351)))
		for _, n := range plan.Routes {
			for _, route := range n.Routes {
				routed++
				if !pattern.MatchString(route.Address) {
					t.Errorf("InternalIP %q is routed as %q, which the schema refuses", text, route.Address)
				}
			}
		}
		if addr, err := parseAddr(text); err == nil && v1alpha1.CanRoute(addr) != pattern.MatchString(addr.String()) {
			t.Errorf("CanRoute(%s) is %v, the schema says otherwise", addr, v1alpha1.CanRoute(addr))
		}
	}
	if routed < 1000 {
		t.Errorf("%d addresses are routed, too few to mean anything", routed)
	}
}

// TestBadNodesStopNobody has 10,000 of them among good ones.
func TestBadNodesStopNobody(t *testing.T) {
	in := oneCore(t, cloud("cp", "10.0.0.1"), edge("good", "192.168.1.1", 10351))
	for i := range 10_000 {
		in.Nodes = append(in.Nodes, edge(fmt.Sprintf("bad-%d", i), []string{"::82", "0.1.2.3", "zzz", "::ffff:0.0.0.1"}[i%4], 10351))
	}
	plan := Compute(in)
	if len(plan.Routes) != 1 || plan.Routes[0].Node != "good" {
		t.Errorf("%d nodes are routed, want good alone", len(plan.Routes))
	}
	for name, want := range map[string]Reason{"good": ReasonRouted, "bad-0": ReasonAddressReserved, "bad-1": ReasonAddressReserved, "bad-2": ReasonAddressInvalid, "bad-9999": ReasonAddressReserved} {
		if got := plan.Findings[name].Reason; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestAnEnrolledDeviceHasTheAddressOfItsEnrollment, and takes no other node's by reporting it.
func TestAnEnrolledDeviceHasTheAddressOfItsEnrollment(t *testing.T) {
	addr := netip.MustParseAddr
	in := oneCore(t, cloud("cp", "10.0.0.1"), edge("thief", "192.168.1.2", 10351), edge("victim", "192.168.1.2", 10351), edge("honest", "192.168.1.3", 10351))
	in.Nodes[1].Created = epoch.Add(-1) // the thief would win by age
	in.Nodes[3].Addresses = append(in.Nodes[3].Addresses, "fd00::3")
	in.Enrolled = map[string][]netip.Addr{"thief": {addr("192.168.1.9")}, "honest": {addr("192.168.1.3")}}
	plan := Compute(in)
	got := map[string]int{}
	for _, n := range plan.Routes {
		got[n.Node] = len(n.Routes)
	}
	if len(got) != 2 || got["victim"] != 1 || got["honest"] != 1 {
		t.Errorf("routes are %v, want one of victim and one of honest", plan.Routes)
	}
	for name, want := range map[string]Reason{"thief": ReasonAddressNotEnrolled, "victim": ReasonRouted, "honest": ReasonRouted} {
		if f := plan.Findings[name]; f.Reason != want {
			t.Errorf("%s: %+v, want %s", name, f, want)
		}
	}
}

// TestAddressesOfCloudNodesAreNotRouted, those among them that only the node's own kernel
// knows of.
func TestAddressesOfCloudNodesAreNotRouted(t *testing.T) {
	in := oneCore(t, cloud("cp", "10.0.0.1"), edge("a", "10.0.0.1", 10351), edge("b", "10.77.0.1", 10351), edge("c", "fd77::1", 10351))
	in.Reported = map[string][]netip.Addr{"cp": {netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.77.0.1"), netip.MustParseAddr("fd77::1")}}
	plan := Compute(in)
	for _, name := range []string{"a", "b", "c"} {
		if f := plan.Findings[name]; f.Reason != ReasonAddressOfCloudNode {
			t.Errorf("%s: %+v, want %s", name, f, ReasonAddressOfCloudNode)
		}
	}
	if len(plan.Routes) != 0 {
		t.Errorf("routes are %v, want none", plan.Routes)
	}
}
