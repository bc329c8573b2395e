package device

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

const edgeCoreYAML = `
modules:
  edged:
    hostnameOverride: edge-1
    tailoredKubeletConfig:
      containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
`

func TestTailor(t *testing.T) {
	out, cgroupRoot, err := tailor([]byte(edgeCoreYAML), []byte("cgroupRoot: /edgeway/a\nmaxPods: 20\n"), "edge-1", "systemd")
	if err != nil {
		t.Fatal(err)
	}
	if cgroupRoot != "/edgeway/a" {
		t.Errorf("the cgroup root is %q", cgroupRoot)
	}
	var c map[string]any
	if err := yaml.Unmarshal(out, &c); err != nil {
		t.Fatal(err)
	}
	got, err := child(c, "modules", "edged", "tailoredKubeletConfig")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"cgroupDriver": "systemd", "cgroupRoot": "/edgeway/a", "maxPods": float64(20),
		"containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTailorRefuses(t *testing.T) {
	for name, in := range map[string][2]string{
		"another node":      {strings.Replace(edgeCoreYAML, "edge-1", "edge-2", 1), ""},
		"no modules":        {"kind: EdgeCore", ""},
		"no YAML":           {"\t", ""},
		"a list of options": {edgeCoreYAML, "- maxPods"},
		"two documents":     {edgeCoreYAML, "maxPods: 20\n---\ncgroupRoot: /x\n"},
	} {
		if out, _, err := tailor([]byte(in[0]), []byte(in[1]), "edge-1", "cgroupfs"); err == nil {
			t.Errorf("%s gives %s", name, out)
		}
	}
}

// TestKubeletSettings: each refusal names the field, its line and what to write.
func TestKubeletSettings(t *testing.T) {
	for text, want := range map[string]string{
		"maxPod: 20\n":                                  "maxPod",
		"maxPods: 20\nmaxPods: 30\n":                    "maxPods",
		"cgroupRoot: /a\nmaxpods: 20\n":                 "write it as maxPods",
		"maxPods: \"20\"\n":                             "maxPods",
		"maxPods: 010\n":                                "maxPods",
		"maxPods: 1e2\n":                                "maxPods",
		"failSwapOn: \"no\"\n":                          "failSwapOn",
		"cgroupRoot: 12\n":                              "cgroupRoot",
		"evictionHard: {memory.available: 5}\n":         "evictionHard.memory.available",
		"evictionHard: 5%\n":                            "evictionHard",
		"authentication: {anonymous: {enable: true}}\n": "authentication.anonymous.enable",
		"anonymous: {}\n":                               "put it at authentication.anonymous",
		"clusterDNS: 10.0.0.10\n":                       "clusterDNS",
		"featureGates: {A: true, A: false}\n":           "featureGates.A",
		"registerWithTaints: {key: a}\n":                "registerWithTaints",
		"kind: EdgeCore\n":                              "KubeletConfiguration",
		"a: &a [*a]\nfeatureGates: *a\n":                "featureGates",
	} {
		_, err := kubeletSettings([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || errcat.Code(err) != "KubeletSettings" {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	got, err := kubeletSettings([]byte("\ufeffapiVersion: kubelet.config.k8s.io/v1beta1\r\nkind: KubeletConfiguration\r\nmaxPods: 20\r\nfailSwapOn: false\r\ncgroupRoot:\r\n" +
		"evictionHard: {memory.available: 5%}\r\nclusterDNS: [10.0.0.10]\r\nsyncFrequency: 10s\r\nregisterWithTaints: [{key: a, effect: NoSchedule}]\r\n" +
		"authentication: {anonymous: {enabled: true}, webhook: }\r\nfeatureGates: {A: true}\r\n"))
	want := map[string]any{"maxPods": 20, "failSwapOn": false, "evictionHard": map[string]string{"memory.available": "5%"}, "clusterDNS": []string{"10.0.0.10"},
		"syncFrequency": "10s", "registerWithTaints": []any{map[string]any{"key": "a", "effect": "NoSchedule"}},
		"authentication": map[string]any{"anonymous": map[string]any{"enabled": true}}, "featureGates": map[string]any{"A": true}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// FuzzTailor: whatever the two files hold, what comes out is the device's edgecore.yaml
// with the settings in it, and the same once more.
func FuzzTailor(f *testing.F) {
	f.Add(edgeCoreYAML, "maxPods: 20\n")
	f.Add(edgeCoreYAML, "authentication: {anonymous: {enabled: true}}\nfeatureGates: {A: true}")
	f.Add("modules: {edged: {hostnameOverride: edge-1, tailoredKubeletConfig: {cgroupDriver: 1}}}", "kind: KubeletConfiguration\n---\n")
	f.Add("a: &a [*a]", "featureGates: &a {b: *a}")
	f.Fuzz(func(t *testing.T, config, extra string) {
		out, root, err := tailor([]byte(config), []byte(extra), "edge-1", "cgroupfs")
		if err != nil {
			if out != nil || root != "" {
				t.Errorf("%q beside %v", out, err)
			}
			return
		}
		again, rootAgain, err := tailor(out, []byte(extra), "edge-1", "systemd")
		if err != nil || string(again) != string(out) || root != rootAgain {
			t.Errorf("%q becomes %q, %v", out, again, err)
		}
	})
}
