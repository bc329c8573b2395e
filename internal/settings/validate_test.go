package settings

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// hasError says whether a refusal (not a warning) names the field or an item of it.
func hasError(problems []Problem, field string) bool {
	for _, p := range problems {
		if !p.Warning && (p.Field == field || strings.HasPrefix(p.Field, field+"[") || strings.HasPrefix(p.Field, field+".")) {
			return p.Message != "" && p.Remedy != "" && p.Code != ""
		}
	}
	return false
}

// check parses document over the defaults and validates it.
func check(document string, facts ClusterFacts) []Problem {
	s, err := Parse([]byte(document))
	if err != nil {
		var invalid *InvalidError
		errors.As(err, &invalid)
		return invalid.Problems
	}
	return s.Validate(facts)
}

// nest writes {a: {b: value}} for "a.b".
func nest(path, value string) string {
	parts := strings.Split(path, ".")
	return "{" + strings.Join(parts, ": {") + ": " + value + strings.Repeat("}", len(parts))
}

// badValues by field, each to be refused.
func badValues() map[string][]string {
	ports := []string{"-1", "65536", "1000000", "1.5", `"http"`, "[31000]"}
	images := []string{`""`, "nginx", "nginx:", "Nginx:1", "https://x/y:1", "x y:1", "a@sha256:12", "7"}
	bools := []string{"yes-please", "1", `"true"`, "[]", "{}"}
	bad := map[string][]string{
		"serviceType":                     {"ClusterIP", "nodeport", `""`, "3", "[NodePort]"},
		"ha":                              bools,
		"dynamicController":               bools,
		"cloudHub.advertiseAddress":       {"[127.0.0.1]", "[0.0.0.0]", "[224.0.0.1]", "[169.254.1.1]", `["fe80::1"]`, `["::1"]`, `["https://x.example.com"]`, `["x.example.com:10000"]`, `["a b"]`, `[""]`, "[1.2.3]", "[300.1.1.1]", "[203.0.113.7, 203.0.113.7]", `["2001:db8::1", "2001:0DB8:0::1"]`, `[203.0.113.7, "::ffff:203.0.113.7"]`, "203.0.113.7", `["x\ny.example.com"]`},
		"cloudHub.authorization":          bools,
		"kubeEdgeVersion":                 {"1.23.1", "v1.23", "latest", "V1.23.1", `"v1.23.1 "`, "7", "[]"},
		"cloudHub.nodeLimit":              {"0", "-5", "100001", "many", "1.5"},
		"cloudHub.webSocket.port":         append(ports, "80", "40000"),
		"cloudHub.webSocket.enable":       bools,
		"cloudHub.webSocket.externalPort": ports,
		"cloudHub.https.port":             append(ports, "31000", "443"),
		"cloudHub.https.externalPort":     append(ports, "31000"),
		"cloudHub.https.enable":           bools,
		"cloudHub.quic.port":              ports,
		"cloudHub.quic.enable":            bools,
		"cloudHub.quic.externalPort":      ports,
		"cloudStream.enable":              bools,
		"cloudStream.port":                append(ports, "31000", "10003"),
		"cloudStream.tunnelPort":          append(ports, "31003", "31002"),
		"cloudStream.tunnelExternalPort":  append(ports, "31000"),
		"edgeWatcher.destinationAddress":  {"cloudcore", "127.0.0.1", "0.0.0.0", "1.2.3.4:31003", "10.0.0.0/8", `"::1"`, "7"},
		"edgeWatcher.destinationPort":     {"-1", "65536", "99999", "1.5", `"31003"`},
		"edgeWatcher.logPort":             {"0", "-1", "65536", "1.5", `"10350"`},
		"edgeWatcher.metricsPort":         {"0", "-1", "65536", "1.5", `"10250"`},
		"edgeWatcher.serviceCIDRs":        {"[10.96.0.0]", "[10.96.0.0/33]", "[x]", `[""]`, "10.96.0.0/12"},
		"edgeWatcher.history":             bools,
		"edgeWatcher.prometheusURL":       {"prometheus:9090", "ftp://x", "http://", "7", "prometheus", "//x", "https://user:pass@prometheus.example", "http://token@prometheus:9090", "\"http://x/a\\u0085b\""},
		"streamGuard.enable":              bools,
		"streamGuard.admit":               {"10.0.0.1", "[7]", "[[]]", "{}", "[true]"},
		"streamGuard.admitPods":           {"ns/a=b", "[7]", "[[]]", "{}", "[true]"},
		"iptablesOperator.backend":        {"ebpf", "nft", "IPTables", "1", "[]"},
		"images.registry":                 {"https://x", "x/", "X.example.com", "x y", "x:abc", "7"},
		"images.cloudcore":                images,
		"images.edgeWatcher":              images,
		"images.iptablesOperator":         images,
		"images.streamGate":               images,
		"images.probe":                    images,
		"images.pullPolicy":               {"always", "Sometimes", `""`, "1", "[]"},
		"images.pullSecrets":              {"[Upper]", "[a_b]", `[""]`, "[a/b]", "x"},
		"extras.networkPolicy":            bools,
		"extras.serviceMonitors":          bools,
	}
	selectors := []string{"{a b: x}", "{x: a b}", "{node-role.kubernetes.io/edge: \"\"}", "{a: 1}", "[]", "{-a: x}"}
	tolerations := []string{"[{operator: Maybe, key: a}]", "[{key: \"\"}]", "[{operator: Exists, key: a, value: b}]", "[{operator: Exists, effect: Never}]", "[{operator: Exists, key: a b}]", "[{what: x}]", "[{key: a, value: b c}]"}
	quantities := []string{"{cpu: lots}", "{cpu: \"-1\"}", "{gpu: \"1\"}", "{memory: 1}", "{memory: 10Q}", "[]"}
	for _, pod := range []string{"cloudcore", "edgeWatcher", "iptablesOperator"} {
		bad["pods."+pod+".nodeSelector"] = selectors
		bad["pods."+pod+".tolerations"] = tolerations
		bad["pods."+pod+".resources.requests"] = quantities
		bad["pods."+pod+".resources.limits"] = quantities
	}
	return bad
}

func TestBadValues(t *testing.T) {
	facts := ClusterFacts{NodePortMin: 30000, NodePortMax: 32767}
	for field, values := range badValues() {
		if len(values) < 5 {
			t.Errorf("%s: only %d bad values", field, len(values))
		}
		for _, value := range values {
			document := nest(field, value)
			if problems := check(document, facts); !hasError(problems, field) {
				t.Errorf("%s is accepted, or refused under another field: %v", document, problems)
			}
		}
	}
}

// TestEveryFieldIsRefusedSomething: a field without bad values would be one that nobody
// has thought about.
func TestEveryFieldIsRefusedSomething(t *testing.T) {
	bad := badValues()
	var missing []string
	for _, field := range leaves("", reflect.TypeFor[Settings]()) {
		// What enabling found out is not for users to set, and is replaced.
		if _, ok := bad[field]; !ok && field != "cluster.advertiseAddress" {
			missing = append(missing, field)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no bad values for %v", missing)
	}
}

// leaves are the paths of all fields that are no objects of ours.
func leaves(prefix string, of reflect.Type) []string {
	var out []string
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		if kind := of.Field(i).Type; kind.Kind() == reflect.Struct {
			out = append(out, leaves(prefix+name+".", kind)...)
			continue
		}
		out = append(out, prefix+name)
	}
	return out
}

func TestCombinations(t *testing.T) {
	two := []NodeFact{{Name: "a"}, {Name: "b"}}
	for name, tc := range map[string]struct {
		document string
		facts    ClusterFacts
		code     string
		warning  bool
	}{
		"no way in":            {document: "{cloudHub: {webSocket: {enable: false}}}", code: "NoWayIn"},
		"QUIC alone is enough": {document: "{cloudHub: {webSocket: {enable: false}, quic: {enable: true}}}", code: "QUICPastGate", warning: true},
		"joining disabled":     {document: "{cloudHub: {https: {enable: false}}}", code: "JoiningDisabled", warning: true},
		"no logs":              {document: "{cloudStream: {enable: false}}", code: "NoLogsAndMetrics", warning: true},
		"stream off, destination set": {
			document: "{cloudStream: {enable: false}, edgeWatcher: {destinationAddress: 192.168.1.10}}", code: "StreamOff"},
		"admitted networks":  {document: "{streamGuard: {admit: [10.0.0.0/8]}}", code: "NoLongerUsed", warning: true},
		"admitted pods":      {document: "{streamGuard: {admitPods: [monitoring/app=prometheus]}}", code: "NoLongerUsed", warning: true},
		"unguarded":          {document: "{streamGuard: {enable: false}}", code: "StreamUnguarded", warning: true},
		"HA on one node":     {document: "{ha: true}", facts: ClusterFacts{Nodes: []NodeFact{{Name: "a"}, {Name: "e", Edge: true}}}, code: "HAOnOneNode", warning: true},
		"HA, one cordoned":   {document: "{ha: true}", facts: ClusterFacts{Nodes: []NodeFact{{Name: "a"}, {Name: "b", Unschedulable: true}}}, code: "HAOnOneNode", warning: true},
		"HA on two nodes":    {document: "{ha: true}", facts: ClusterFacts{Nodes: two}},
		"collision":          {document: "{cloudHub: {https: {port: 31000}}}", code: "PortCollision"},
		"collision outside":  {document: "{cloudHub: {https: {externalPort: 443}, webSocket: {externalPort: 443}}}", code: "PortCollision"},
		"UDP beside TCP":     {document: "{cloudHub: {quic: {enable: true, port: 31000}}}", code: "QUICPastGate", warning: true},
		"collision with off": {document: "{cloudHub: {https: {enable: true, port: 31001}}}"},
		"NodePort taken":     {document: "{}", facts: ClusterFacts{UsedNodePorts: []UsedNodePort{{31002, "TCP", "shop/web"}}}, code: "NodePortTaken"},
		"NodePort of UDP":    {document: "{}", facts: ClusterFacts{UsedNodePorts: []UsedNodePort{{31002, "UDP", "shop/dns"}}}},
		"taken, but LB":      {document: "{serviceType: LoadBalancer}", facts: ClusterFacts{UsedNodePorts: []UsedNodePort{{10002, "TCP", "shop/web"}}}},
		"NodePort refused":   {document: "{}", facts: ClusterFacts{RefusedNodePorts: map[int]string{31004: "not in range"}}, code: "NodePortRefused"},
		"destination is a node": {
			document: "{edgeWatcher: {destinationAddress: 192.168.1.10}}",
			facts:    ClusterFacts{Nodes: []NodeFact{{Name: "cp", InternalIPs: []string{"192.168.1.10"}}}}, code: "DestinationIsNode", warning: true},
		"request above limit": {document: `{pods: {cloudcore: {resources: {requests: {cpu: "2"}, limits: {cpu: "1"}}}}}`, code: "AboveLimit"},
		"DNS name":            {document: "{cloudHub: {advertiseAddress: [edge.example.com, 203.0.113.7, \"2001:db8::7\"]}}"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Parse([]byte(tc.document))
			if err != nil {
				t.Fatal(err)
			}
			problems := s.Validate(tc.facts)
			if tc.code == "" {
				if len(problems) != 0 {
					t.Errorf("unexpected: %v", problems)
				}
				return
			}
			if len(problems) != 1 && !strings.HasPrefix(name, "stream off") {
				t.Fatalf("problems: %v, want one", problems)
			}
			last := problems[len(problems)-1]
			if last.Code != tc.code || last.Warning != tc.warning {
				t.Errorf("problem %v (warning %v), want %s (warning %v)", last.Code, last.Warning, tc.code, tc.warning)
			}
			if refused := AsError(problems) != nil; refused == tc.warning {
				t.Errorf("refused = %v", refused)
			}
		})
	}
}
