package device

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
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
	} {
		if out, _, err := tailor([]byte(in[0]), []byte(in[1]), "edge-1", "cgroupfs"); err == nil {
			t.Errorf("%s gives %s", name, out)
		}
	}
}
