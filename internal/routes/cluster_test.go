package routes

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

func TestClusterNotes(t *testing.T) {
	addr := netip.MustParseAddr
	healthy := func() ClusterFacts {
		return ClusterFacts{
			APIServers: []netip.Addr{addr("10.0.0.1"), addr("10.0.0.2")},
			Reported:   map[string][]netip.Addr{"cp-1": {addr("10.0.0.1"), addr("10.244.0.1")}, "cp-2": {addr("10.0.0.2")}},
			Running:    map[string]bool{"cp-1": true, "cp-2": true},
		}
	}
	bypass := map[string]string{"kube-proxy-replacement": "true", "enable-bpf-masquerade": "true"}
	with := func(pairs ...string) map[string]string {
		out := map[string]string{}
		for k, v := range bypass {
			out[k] = v
		}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = pairs[i+1]
		}
		return out
	}
	cases := map[string]struct {
		change func(*ClusterFacts)
		want   []string // reason, and a part of the message
	}{
		"healthy":             {func(*ClusterFacts) {}, nil},
		"no API server known": {func(f *ClusterFacts) { f.APIServers = nil }, nil},
		"hosted control plane": {func(f *ClusterFacts) { f.APIServers = []netip.Addr{addr("203.0.113.9")} },
			[]string{v1alpha1.ConditionControlPlaneElsewhere, "203.0.113.9"}},
		"one of two API servers elsewhere": {func(f *ClusterFacts) { f.APIServers[1] = addr("203.0.113.9") },
			[]string{v1alpha1.ConditionControlPlaneElsewhere, "at 203.0.113.9 runs"}},
		"a dead operator": {func(f *ClusterFacts) { delete(f.Running, "cp-2") }, []string{v1alpha1.ConditionOperatorMissing, "node cp-2:"}},
		"an operator that is not ready": {func(f *ClusterFacts) { f.Running["cp-2"] = false },
			[]string{v1alpha1.ConditionOperatorMissing, "node cp-2:"}},
		"an operator that never reported": {func(f *ClusterFacts) { f.Running["w-1"] = false },
			[]string{v1alpha1.ConditionOperatorMissing, "node w-1:"}},
		"a ready operator about to report": {func(f *ClusterFacts) { f.Running["w-1"] = true }, nil},
		"Cilium's BPF host routing":        {func(f *ClusterFacts) { f.Cilium = bypass }, []string{v1alpha1.ConditionPodPathBypassed, "bpf.hostLegacyRouting"}},
		"Cilium, older spelling":           {func(f *ClusterFacts) { f.Cilium = with("kube-proxy-replacement", "strict") }, []string{v1alpha1.ConditionPodPathBypassed, ""}},
		"Cilium without masquerading": {func(f *ClusterFacts) {
			f.Cilium = with("enable-bpf-masquerade", "false", "enable-ipv4-masquerade", "false")
		}, []string{v1alpha1.ConditionPodPathBypassed, ""}},
		"Cilium with legacy routing":             {func(f *ClusterFacts) { f.Cilium = with("enable-host-legacy-routing", "true") }, nil},
		"Cilium beside kube-proxy":               {func(f *ClusterFacts) { f.Cilium = with("kube-proxy-replacement", "false") }, nil},
		"Cilium with masquerading by iptables":   {func(f *ClusterFacts) { f.Cilium = with("enable-bpf-masquerade", "false") }, nil},
		"a configuration of Cilium that is bare": {func(f *ClusterFacts) { f.Cilium = map[string]string{} }, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := healthy()
			c.change(&f)
			notes := ClusterNotes(f)
			if c.want == nil {
				if len(notes) != 0 {
					t.Errorf("notes are %v, want none", notes)
				}
				return
			}
			if len(notes) != 1 || string(notes[0].Reason) != c.want[0] || !strings.Contains(notes[0].Message, c.want[1]) {
				t.Errorf("notes are %v, want one of reason %s about %q", notes, c.want[0], c.want[1])
			}
		})
	}
}

func TestManyNodesAreCounted(t *testing.T) {
	f := ClusterFacts{Running: map[string]bool{"e": false, "d": false, "c": false, "b": false, "a": false}}
	notes := ClusterNotes(f)
	if len(notes) != 1 || !strings.Contains(notes[0].Message, "a, b, c and 2 more") {
		t.Errorf("notes are %v, want the first three named and the rest counted", notes)
	}
}

func TestUnusableReportsAreNamed(t *testing.T) {
	f := ClusterFacts{Unusable: map[string]string{"d": "4", "b": "2", "a": "1", "c": "3"}}
	notes := ClusterNotes(f)
	if len(notes) != 1 || notes[0].Reason != v1alpha1.ConditionReportUnusable {
		t.Fatalf("notes are %v", notes)
	}
	if m := notes[0].Message; !strings.Contains(m, "CloudNodeRoutes c cannot be used: 3") || strings.Contains(m, "CloudNodeRoutes d") || !strings.Contains(m, "with 1 more") {
		t.Errorf("message is %q, want the first three named and the rest counted", m)
	}
}

func TestMergeNotes(t *testing.T) {
	got := MergeNotes([]Note{{"B", "two"}, {"A", "one"}, {"B", "three"}, {"B", "two"}})
	want := []Note{{"A", "one"}, {"B", "two three"}}
	if !slices.Equal(got, want) {
		t.Errorf("notes are %v, want %v", got, want)
	}
}

// A device that leaves its edge label out must not pass for a cloud node: it would
// take other nodes' addresses away and be admitted to the stream port.
func TestAnEnrolledNodeWithoutTheLabelIsNoCloudNode(t *testing.T) {
	in := Input{
		Nodes: []Node{
			{Name: "edge", Edge: true, Addresses: []string{"192.168.100.1"}, KubeletPort: 10351},
			{Name: "liar", Addresses: []string{"192.168.100.1"}},
		},
		Enrolled: map[string][]netip.Addr{"liar": {netip.MustParseAddr("192.168.100.9")}},
		Settings: Settings{LogPort: 10350, MetricsPort: 10250, StreamPort: 10003},
	}
	if plan := Compute(in); len(plan.Routes) != 1 || plan.Routes[0].Node != "edge" {
		t.Errorf("routes are %v, want that of node edge", plan.Routes)
	}
	in.Enrolled = nil
	if plan := Compute(in); plan.Findings["edge"].Reason != ReasonAddressOfCloudNode {
		t.Errorf("finding is %v, want that a cloud node wins", plan.Findings["edge"])
	}
}
