package kubelet

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/config"
)

const edgecoreYAML = `
apiVersion: edgecore.config.kubeedge.io/v1alpha2
kind: EdgeCore
database: {dataSource: STATE/edgecore.db}
modules:
  edged:
    enable: true
    hostnameOverride: jetson-xavier
    nodeIP: 192.168.100.1
    nodeLabels: {site: roof, node-role.kubernetes.io/edge: "", topology.kubernetes.io/zone: z1}
    tailoredKubeletConfig:
      address: 0.0.0.0
      readOnlyPort: 10350
      cgroupRoot: /edgeway/jetson
      containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
      evictionHard: {nodefs.available: 3%}
      registerWithTaints: [{key: edge, effect: NoSchedule}]
      someFutureField: kept
  edgeHub:
    httpServer: https://198.18.0.2:10002
    token: abc
    websocket: {enable: true, server: "198.18.0.2:10000"}
  edgeStream: {enable: true, server: "198.18.0.2:10004"}
  eventBus: {enable: false}
`

func TestPrepare(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "edgecore.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(edgecoreYAML, "STATE", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := config.Load(path, filepath.Join(dir, "none"))
	if err != nil {
		t.Fatal(err)
	}
	setup, err := Prepare(conf, "127.0.0.1:4711")
	if err != nil {
		t.Fatal(err)
	}
	state := conf.StateDir()
	want := []string{
		"--config=" + state + "/kubelet.yaml", "--kubeconfig=" + state + "/kubelet.kubeconfig",
		"--root-dir=/var/lib/kubelet", "--cert-dir=" + state, "--hostname-override=jetson-xavier",
		"--node-ip=192.168.100.1", "--node-labels=site=roof,topology.kubernetes.io/zone=z1",
	}
	if diff := cmp.Diff(want, setup.Args); diff != "" {
		t.Errorf("command line (-want +got):\n%s", diff)
	}
	got := map[string]any{}
	readYAML(t, state+"/kubelet.yaml", &got)
	for field, want := range map[string]any{
		"address": "127.0.0.1", "readOnlyPort": 0.0, "port": 10250.0, "contentType": "application/json",
		"cgroupRoot": "/edgeway/jetson", "someFutureField": "kept", "failCgroupV1": false, "cgroupDriver": "cgroupfs",
		"evictionHard":       map[string]any{"nodefs.available": "3%"},
		"registerWithTaints": []any{map[string]any{"key": "edge", "effect": "NoSchedule"}},
		"authorization":      map[string]any{"mode": "AlwaysAllow"},
	} {
		if diff := cmp.Diff(want, got[field]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
	if _, err := tls.LoadX509KeyPair(state+"/kubelet.crt", state+"/kubelet.key"); err != nil {
		t.Errorf("the kubelet's certificate: %v", err)
	}
	kubeconfig, err := os.ReadFile(state + "/kubelet.kubeconfig")
	for _, want := range []string{"server: https://127.0.0.1:4711", "tls-server-name: 198.18.0.2"} {
		if err != nil || !strings.Contains(string(kubeconfig), want) {
			t.Errorf("kubeconfig without %s: %v\n%s", want, err, kubeconfig)
		}
	}
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func TestReservedLabels(t *testing.T) {
	for label, want := range map[string]bool{
		"site": false, "example.com/x": false, "node.kubernetes.io/x": false, "a.node.kubernetes.io/x": false,
		"kubernetes.io/os": false, "topology.kubernetes.io/region": false,
		"node-role.kubernetes.io/edge": true, "kubernetes.io/x": true, "x.k8s.io/y": true, "topology.kubernetes.io/rack": true,
	} {
		if got := reserved(label); got != want {
			t.Errorf("%s: reserved %t, want %t", label, got, want)
		}
	}
}
