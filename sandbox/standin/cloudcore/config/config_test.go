package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func load(t *testing.T, text string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cloudcore.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path)
}

func TestLoad(t *testing.T) {
	c, err := load(t, `
apiVersion: cloudcore.config.kubeedge.io/v1alpha2
kind: CloudCore
kubeAPIConfig: {kubeConfig: "", master: ""}
modules:
  cloudHub:
    advertiseAddress: [198.18.0.2, 203.0.113.7]
    nodeLimit: 7
    quic: {enable: false, port: 10001}
    websocket: {enable: true, port: 20000}
    tokenRefreshDuration: 6
  cloudStream: {enable: true, streamPort: 10003, tunnelPort: 10004}
  iptablesManager: {enable: false, mode: internal}
  dynamicController: {enable: false}
`)
	if err != nil {
		t.Fatal(err)
	}
	hub := c.Modules.CloudHub
	if hub.NodeLimit != 7 || hub.WebSocket.HostPort() != "0.0.0.0:20000" || hub.HTTPS.HostPort() != "0.0.0.0:10002" ||
		hub.TokenRefresh() != 6*time.Hour || hub.EdgeCertLife() != 365*24*time.Hour || hub.IPs()[1].String() != "203.0.113.7" {
		t.Errorf("got %+v", hub)
	}
	if c.Modules.CloudStream.TLSStreamCertFile != "/etc/kubeedge/certs/stream.crt" {
		t.Errorf("got %+v", c.Modules.CloudStream)
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ text, words string }{
		"another kind":  {"kind: EdgeCore", "kind"},
		"no address":    {"kind: CloudCore", "advertiseAddress is empty"},
		"name":          {"kind: CloudCore\nmodules: {cloudHub: {advertiseAddress: [cloud.example]}}", `"cloud.example" is not an IP address`},
		"node limit":    {"kind: CloudCore\nmodules: {cloudHub: {advertiseAddress: [198.18.0.2], nodeLimit: 0}}", "nodeLimit is 0"},
		"port":          {"kind: CloudCore\nmodules: {cloudHub: {advertiseAddress: [198.18.0.2]}, cloudStream: {tunnelPort: 0}}", "tunnelPort is 0"},
		"port too high": {"kind: CloudCore\nmodules: {cloudStream: {tunnelPort: 70000}}", "tunnelPort"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := load(t, tt.text); err == nil || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("got %v, want %q", err, tt.words)
			}
		})
	}
}
