package settings

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const chart = "../../charts/kubeedge/"

func TestDefaultsFollowTheServiceType(t *testing.T) {
	for _, tc := range []struct {
		service ServiceType
		ports   map[string]int
	}{
		{NodePort, map[string]int{"webSocket": 31000, "quic": 31001, "https": 31002, "stream": 31003, "tunnel": 31004}},
		{LoadBalancer, map[string]int{"webSocket": 10000, "quic": 10001, "https": 10002, "stream": 10003, "tunnel": 10004}},
	} {
		got := map[string]int{}
		for _, p := range Default(tc.service).Ports() {
			got[p.Name] = p.Port
		}
		if diff := cmp.Diff(tc.ports, got); diff != "" {
			t.Errorf("%s: %s", tc.service, diff)
		}
		if problems := Default(tc.service).Validate(ClusterFacts{}); len(problems) != 0 {
			t.Errorf("%s: the defaults have problems: %v", tc.service, problems)
		}
	}
}

func TestWithServiceTypeKeepsChosenPorts(t *testing.T) {
	s := Default(NodePort)
	s.CloudHub.HTTPS.Port = 32000
	s = s.WithServiceType(LoadBalancer)
	if s.CloudHub.HTTPS.Port != 32000 || s.CloudHub.WebSocket.Port != 10000 || s.CloudStream.TunnelPort != 10004 {
		t.Errorf("https %d, webSocket %d, tunnel %d; want 32000, 10000, 10004",
			s.CloudHub.HTTPS.Port, s.CloudHub.WebSocket.Port, s.CloudStream.TunnelPort)
	}
}

func TestDestinationPortFollowsTheStreamPort(t *testing.T) {
	s, err := Parse([]byte("{cloudStream: {port: 31013}, edgeWatcher: {destinationAddress: 192.168.1.10}}"))
	if err != nil {
		t.Fatal(err)
	}
	if s.EdgeWatcher.DestinationPort != 31013 {
		t.Errorf("destination port %d, want the stream port 31013", s.EdgeWatcher.DestinationPort)
	}
}

// The chart's own defaults have to be the same for those who use plain helm.
func TestChartValuesAreTheDefaults(t *testing.T) {
	data, err := os.ReadFile(chart + "values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(NodePort), got); diff != "" {
		t.Error(diff)
	}
}

func TestSchemaIsCurrent(t *testing.T) {
	want, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(chart + "values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run go generate ./internal/settings:\n%s", diff)
	}
}

func TestHelmValuesRoundTrip(t *testing.T) {
	want := Default(LoadBalancer)
	want.CloudHub.AdvertiseAddress = []string{"203.0.113.7"}
	want.Pods.CloudCore.NodeSelector = map[string]string{"pool": "a"}
	want.Pods.EdgeWatcher.Tolerations = []Toleration{}
	values, err := want.HelmValues()
	if err != nil {
		t.Fatal(err)
	}
	got, err := FromHelmValues(values)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOverlayReplacesMapsAndLists(t *testing.T) {
	base := Default(NodePort)
	base.Pods.CloudCore.NodeSelector = map[string]string{"old": "x"}
	got, err := Overlay(base, []byte("{pods: {cloudcore: {resources: {requests: {cpu: 1}}}}}"))
	if err == nil {
		t.Fatal("a number was accepted as a quantity's string")
	}
	got, err = Overlay(base, []byte(`{pods: {cloudcore: {nodeSelector: {new: z}, resources: {requests: {cpu: "1"}}, tolerations: []}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Pod{
		Resources:    Resources{Requests: map[string]string{"cpu": "1"}, Limits: map[string]string{}},
		NodeSelector: map[string]string{"new": "z"}, Tolerations: []Toleration{},
	}
	if diff := cmp.Diff(want, got.Pods.CloudCore); diff != "" {
		t.Error(diff)
	}
	if base.Pods.CloudCore.NodeSelector["old"] != "x" {
		t.Error("the base was changed")
	}
}

func TestSet(t *testing.T) {
	for _, tc := range []struct {
		assignment string
		ok         bool
		field      string
	}{
		{assignment: "cloudHub.nodeLimit=200", ok: true},
		{assignment: "cloudHub.advertiseAddress=[203.0.113.7, edge.example.com]", ok: true},
		{assignment: "serviceType=LoadBalancer", ok: true},
		{assignment: "cloudHub.nodeLimit=many", field: "cloudHub.nodeLimit"},
		{assignment: "cloudHub.nodeLimit=1.5", field: "cloudHub.nodeLimit"},
		{assignment: "cloudHub.nodes=3", field: "cloudHub.nodes"},
		{assignment: "cloudHub.nodeLimit", field: "cloudHub.nodeLimit"},
		{assignment: "=3", field: "=3"},
		{assignment: "ha=[", field: "ha"},
	} {
		_, err := Set(Default(NodePort), tc.assignment)
		if tc.ok {
			if err != nil {
				t.Errorf("%s: %v", tc.assignment, err)
			}
			continue
		}
		var invalid *InvalidError
		if !errors.As(err, &invalid) || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want an InvalidError", tc.assignment, err)
			continue
		}
		if p := invalid.Problems[0]; p.Field != tc.field || p.Remedy == "" {
			t.Errorf("%s: field %q with remedy %q, want field %q", tc.assignment, p.Field, p.Remedy, tc.field)
		}
	}
}

func TestExternalPorts(t *testing.T) {
	s := Default(NodePort)
	s.CloudHub.HTTPS.ExternalPort = 443
	if p := s.PortNamed("https"); p.External != 443 || p.Port != 31002 {
		t.Errorf("https: %+v", p)
	}
	if p := s.PortNamed("webSocket"); p.External != 31000 {
		t.Errorf("webSocket: external %d, want the same as the port", p.External)
	}
	if p := s.PortNamed("stream"); p.External != 0 || p.FromEdge {
		t.Errorf("stream port is shown to the outside: %+v", p)
	}
}

func TestResolve(t *testing.T) {
	cloud := NodeFact{Name: "b", InternalIPs: []string{"10.0.0.2"}}
	public := NodeFact{Name: "c", InternalIPs: []string{"10.0.0.3"}, ExternalIPs: []string{"203.0.113.3"}}
	edge := NodeFact{Name: "a", Edge: true, InternalIPs: []string{"192.168.100.1"}, ExternalIPs: []string{"198.51.100.1"}}
	chosen := Default(NodePort)
	chosen.CloudHub.AdvertiseAddress = []string{"edge.example.com"}
	for name, tc := range map[string]struct {
		s     Settings
		facts ClusterFacts
		want  []string
		code  string
	}{
		"chosen":             {chosen, ClusterFacts{Nodes: []NodeFact{public}}, []string{"edge.example.com"}, ""},
		"external":           {Default(NodePort), ClusterFacts{Nodes: []NodeFact{edge, cloud, public}}, []string{"203.0.113.3"}, ""},
		"internal":           {Default(NodePort), ClusterFacts{Nodes: []NodeFact{edge, cloud}}, []string{"10.0.0.2"}, "AddressNotPublic"},
		"edge nodes only":    {Default(NodePort), ClusterFacts{Nodes: []NodeFact{edge}}, []string{}, "AddressUnknown"},
		"load balancer":      {Default(LoadBalancer), ClusterFacts{LoadBalancer: []string{"203.0.113.9"}}, []string{"203.0.113.9"}, ""},
		"load balancer soon": {Default(LoadBalancer), ClusterFacts{Nodes: []NodeFact{public}}, []string{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, problems := tc.s.Resolve(tc.facts)
			if diff := cmp.Diff(tc.want, got.EffectiveAddresses()); diff != "" {
				t.Error(diff)
			}
			code := ""
			if len(problems) > 0 {
				code = problems[0].Code
			}
			if code != tc.code {
				t.Errorf("problem %q, want %q", code, tc.code)
			}
		})
	}
}
