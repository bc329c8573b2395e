package enroll

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

func goodRequest() Request {
	return Request{NodeName: "jetson-xavier", Arch: "arm64", NodeIP: "192.168.100.1",
		CloudCore: v1alpha1.CloudCoreAddress{Host: "198.18.0.2", WebSocketPort: 31000, QUICPort: 31001, CertPort: 31002, TunnelPort: 31004}}.WithDefaults()
}

func TestCodesAreReadTheWayPeopleTypeThem(t *testing.T) {
	code, err := NewCode()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(normalizeCode(code)); n*5 < 128 {
		t.Errorf("%q holds %d bits", code, n*5)
	}
	if strings.ContainsAny(code, "ILOU") {
		t.Errorf("%q holds a sign that is easily mistaken", code)
	}
	for _, typed := range []string{strings.ToLower(code), strings.ReplaceAll(code, "-", ""), " " + code + "\n",
		strings.ReplaceAll(strings.ReplaceAll(code, "0", "O"), "1", "l")} {
		if HashCode(typed) != HashCode(code) {
			t.Errorf("%q is not taken for %q", typed, code)
		}
	}
	other, err := NewCode()
	if err != nil {
		t.Fatal(err)
	}
	if HashCode(other) == HashCode(code) {
		t.Error("two codes are the same")
	}
}

var hostile = []string{"$(reboot)", "`reboot`", "a;reboot", "a b", "a'b", `a"b`, "a\nb", "a|b", "a&b", "../../etc/passwd", "a\x00b", "--flag", "é"}

func TestValidateRefusesEveryHostileValue(t *testing.T) {
	if p := goodRequest().Validate(); len(p) > 0 {
		t.Fatalf("the good request: %v", p)
	}
	fields := map[string]func(*Request, string){
		"nodeName":        func(r *Request, v string) { r.NodeName = v },
		"arch":            func(r *Request, v string) { r.Arch = v },
		"nodeIP":          func(r *Request, v string) { r.NodeIP = v },
		"cloudCore.host":  func(r *Request, v string) { r.CloudCore.Host = v },
		"runtimeEndpoint": func(r *Request, v string) { r.RuntimeEndpoint = "unix:///run/" + v },
		"cgroupDriver":    func(r *Request, v string) { r.CgroupDriver = v },
		"label key":       func(r *Request, v string) { r.Labels = map[string]string{v: "x"} },
		"label value":     func(r *Request, v string) { r.Labels = map[string]string{"x": v} },
		"taint key": func(r *Request, v string) {
			r.Taints = []corev1.Taint{{Key: v, Effect: corev1.TaintEffectNoSchedule}}
		},
		"taint value": func(r *Request, v string) {
			r.Taints = []corev1.Taint{{Key: "k", Value: v, Effect: corev1.TaintEffectNoSchedule}}
		},
		"taint effect": func(r *Request, v string) { r.Taints = []corev1.Taint{{Key: "k", Effect: corev1.TaintEffect(v)}} },
	}
	for field, set := range fields {
		for _, value := range hostile {
			if field == "runtimeEndpoint" && value == "--flag" {
				continue // a legal file name, and never the first part of a word
			}
			r := goodRequest()
			set(&r, value)
			if len(r.Validate()) == 0 {
				t.Errorf("%s accepts %q", field, value)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	tests := map[string]struct {
		change func(*Request)
		want   string // field + " " + code, empty when accepted
	}{
		"no name":           {func(r *Request) { r.NodeName = "" }, "nodeName Required"},
		"capital letters":   {func(r *Request) { r.NodeName = "Jetson" }, "nodeName Invalid"},
		"too long a name":   {func(r *Request) { r.NodeName = strings.Repeat("a", 254) }, "nodeName Invalid"},
		"too long a label":  {func(r *Request) { r.NodeName = strings.Repeat("a", 64) }, "nodeName Invalid"},
		"as long as can be": {func(r *Request) { r.NodeName = strings.Repeat("a", 63) }, ""},
		"77 with dots":      {func(r *Request) { r.NodeName = strings.Repeat("a.b", 25) + ".c" }, "nodeName Invalid"},
		"loopback":          {func(r *Request) { r.NodeIP = "127.0.0.1" }, "nodeIP Invalid"},
		"IPv6 link-local":   {func(r *Request) { r.NodeIP = "fe80::1%eth0" }, "nodeIP Invalid"},
		"mapped":            {func(r *Request) { r.NodeIP = "::ffff:10.0.0.1" }, "nodeIP Invalid"},
		"IPv6":              {func(r *Request) { r.NodeIP = "2001:db8::7" }, ""},
		"port 0":            {func(r *Request) { r.CloudCore.CertPort = 0 }, "cloudCore.certPort Invalid"},
		"no QUIC":           {func(r *Request) { r.CloudCore.QUICPort = 0 }, ""},
		"stream, no tunnel": {func(r *Request) { r.CloudCore.TunnelPort = 0 }, "cloudCore.tunnelPort Invalid"},
		"no stream": {func(r *Request) {
			r.Components = &v1alpha1.EdgeComponents{}
			r.CloudCore.TunnelPort = 0
		}, ""},
		"Kubernetes' label":  {func(r *Request) { r.Labels = map[string]string{"node-role.kubernetes.io/control-plane": ""} }, "labels[node-role.kubernetes.io/control-plane] Reserved"},
		"a k8s.io label":     {func(r *Request) { r.Labels = map[string]string{"a.k8s.io/x": ""} }, "labels[a.k8s.io/x] Reserved"},
		"the agent role":     {func(r *Request) { r.Labels = map[string]string{v1alpha1.LabelAgent: ""} }, ""},
		"no domain's suffix": {func(r *Request) { r.Labels = map[string]string{"notkubernetes.io/x": ""} }, ""},
		"Kubernetes' taint": {func(r *Request) {
			r.Taints = []corev1.Taint{{Key: "node.kubernetes.io/unschedulable", Effect: corev1.TaintEffectNoSchedule}}
		}, "taints[0].key Reserved"},
		"a taint twice":   {func(r *Request) { r.Taints = append(r.Taints, r.Taints[0]) }, "taints[1] Duplicate"},
		"too long a life": {func(r *Request) { r.Lifetime = metav1.Duration{Duration: MaxLifetime + time.Second} }, "lifetime Invalid"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := goodRequest()
			test.change(&r)
			var got []string
			for _, p := range r.Validate() {
				got = append(got, p.Field+" "+p.Code)
				if p.Message == "" || p.Remedy == "" {
					t.Errorf("%s lacks message or remedy", p.Field)
				}
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "; ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEdgeCoreConfig(t *testing.T) {
	spec := goodRequest().spec("")
	spec.Labels["example.com/site"] = "a"
	raw, err := EdgeCoreConfig(&spec)
	if err != nil {
		t.Fatal(err)
	}
	var c edgeCore
	if err := yaml.UnmarshalStrict(raw, &c); err != nil {
		t.Fatal(err)
	}
	m := c.Modules
	got := []any{m.Edged.HostnameOverride, m.Edged.NodeIP, m.Edged.NodeLabels, m.EdgeHub.HTTPServer, m.EdgeHub.WebSocket, m.EdgeHub.Token,
		m.EdgeStream.Enable, m.EdgeStream.Server, m.EventBus.Enable, m.MetaManager.MetaServer.Enable, m.Edged.Kubelet.RegisterWithTaints}
	want := []any{"jetson-xavier", "192.168.100.1", map[string]string{"example.com/site": "a"}, "https://198.18.0.2:31002",
		link{Enable: true, Server: "198.18.0.2:31000"}, "", true, "198.18.0.2:31004", true, false, DefaultTaints()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEdgeCoreConfigBracketsIPv6AndTurnsThingsOff(t *testing.T) {
	r := goodRequest()
	r.CloudCore.Host = "2001:db8::1"
	r.Components = &v1alpha1.EdgeComponents{EdgeMesh: true}
	spec := r.spec("")
	raw, err := EdgeCoreConfig(&spec)
	if err != nil {
		t.Fatal(err)
	}
	var c edgeCore
	if err := yaml.UnmarshalStrict(raw, &c); err != nil {
		t.Fatal(err)
	}
	m := c.Modules
	got := []any{m.EdgeHub.HTTPServer, m.EdgeStream.Enable, m.EventBus.Enable, m.MetaManager.MetaServer.Enable, m.Edged.Kubelet.ClusterDNS}
	want := []any{"https://[2001:db8::1]:31002", false, false, true, []string{meshDNS}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

const (
	somePin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	someSum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

func TestJoinCommand(t *testing.T) {
	got, err := JoinCommand(CommandParams{ConsoleURL: "https://192.0.2.10:8443/", Pin: somePin, EdgectlSHA256: someSum}, "7K3M-ABCD")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(InstallScript())
	want := `EDGEWAY_CODE=7K3M-ABCD sh -c 'w=/usr/bin/wget; [ -x $w ] || w=wget; s=$(if command -v curl >/dev/null; then curl -fsSk "$0"; ` +
		`elif [ -n "$https_proxy" ] && ! $w --version >/dev/null 2>&1 && command -v openssl >/dev/null; then ` +
		`h=${0#*://}; p=/${h#*/}; h=${h%%/*}; case $h in *:*) ;; *) h=$h:443;; esac; x=${https_proxy#*://}; ` +
		`printf "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" "$p" "$h" | openssl s_client -quiet -proxy "${x%%/*}" -connect "$h" 2>/dev/null | { while IFS= read -r l && [ ${#l} -gt 1 ]; do :; done; cat; }; ` +
		`else $w -q --no-check-certificate -O - "$0"; fi); ` +
		`case $(printf "%s\n" "$s" | sha256sum) in ` + hex.EncodeToString(sum[:]) + `*) exec sh -c "$s" edgeway "$@";; esac; ` +
		`echo "edgeway: $0 could not be fetched, or is not the installer that this command is for; nothing was changed" >&2; exit 5' ` +
		"https://192.0.2.10:8443/join/install.sh --server https://192.0.2.10:8443 --pin " + somePin + " --sha256 " + someSum
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestJoinCommandRefusesWhatDoesNotBelongIntoAShell(t *testing.T) {
	good := CommandParams{ConsoleURL: "https://c.example", Pin: somePin, EdgectlSHA256: someSum}
	for _, url := range []string{"", "c.example", "http://c.example", "https://u:p@c.example", "https://c.example?x=$(reboot)", "https://c.example/#;reboot", "ftp://c.example"} {
		p := good
		p.ConsoleURL = url
		if got, err := JoinCommand(p, "C"); err == nil {
			t.Errorf("console URL %q gives %s", url, got)
		}
	}
	for _, pin := range append([]string{"sha256//short", somePin + ";reboot"}, hostile...) {
		p := good
		p.Pin = pin
		if got, err := JoinCommand(p, "C"); err == nil {
			t.Errorf("pin %q gives %s", pin, got)
		}
	}
	for _, sum := range append([]string{"", someSum + "0"}, hostile...) {
		p := good
		p.EdgectlSHA256 = sum
		if got, err := JoinCommand(p, "C"); err == nil {
			t.Errorf("SHA-256 %q gives %s", sum, got)
		}
	}
}

// A real shell decides what a word is.
func TestQuoteKeepsEveryValueOneWord(t *testing.T) {
	for _, value := range append(hostile, "", "~", "*", "!x", "#x", "a\\b", "'", "$HOME", "-n") {
		if strings.ContainsRune(value, 0) {
			continue // no argument of a process can hold it
		}
		out, err := exec.Command("sh", "-c", "printf '%s:' "+Quote(value)+" end").Output()
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		if got, want := string(out), value+":end:"; got != want {
			t.Errorf("%q becomes %q", value, got)
		}
	}
}

func TestInstallScriptRunsNothingWhenItIsCutOff(t *testing.T) {
	script := string(InstallScript())
	lines := strings.Split(strings.TrimRight(script, "\n"), "\n")
	if last := lines[len(lines)-1]; last != `edgeway_install "$@"` {
		t.Fatalf("the last line is %q", last)
	}
	cut := strings.Join(lines[:len(lines)-1], "\n")
	out, err := exec.Command("sh", "-c", cut, "sh", "--nonsense").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("without its last line it does something: %v %s", err, out)
	}
	if out, err := exec.Command("sh", "-c", script, "sh", "--nonsense").CombinedOutput(); err == nil || !strings.Contains(string(out), "unknown option") {
		t.Errorf("an unknown option gives %v %s", err, out)
	}
}

func TestSuggestAddress(t *testing.T) {
	taken := map[string]bool{"192.168.100.1": true}
	is := func(a netip.Addr) bool { return taken[a.String()] }
	a, err := SuggestAddress(netip.MustParsePrefix("192.168.100.0/30"), is)
	if err != nil || a.String() != "192.168.100.2" {
		t.Fatalf("got %s, %v", a, err)
	}
	taken["192.168.100.2"] = true
	if a, err := SuggestAddress(netip.MustParsePrefix("192.168.100.0/30"), is); err == nil {
		t.Errorf("a full pool gives %s", a)
	}
}
