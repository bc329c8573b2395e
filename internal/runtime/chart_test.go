package runtime

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/internal/settings"
)

var update = flag.Bool("update", false, "write the golden files anew")

// withAddress is what every render needs, for there is no cluster to ask.
func withAddress(s settings.Settings) settings.Settings {
	s.CloudHub.AdvertiseAddress = []string{"203.0.113.7"}
	return s
}

func TestRender(t *testing.T) {
	loadBalancer := settings.Default(settings.LoadBalancer)
	loadBalancer.Cluster.AdvertiseAddress = []string{"203.0.113.9", "lb.example.com"}
	ha := withAddress(settings.Default(settings.NodePort))
	ha.HA = true
	everything := withAddress(settings.Default(settings.NodePort))
	everything.CloudHub.QUIC.Enable = true
	everything.EdgeWatcher.DestinationAddress = "192.168.1.10"
	everything.EdgeWatcher.ServiceCIDRs = []string{"10.96.0.0/12"}
	everything.StreamGuard.Admit = []string{"10.0.0.7", "10.1.0.0/16"}
	everything.DynamicController = true
	everything.Images.Registry = "mirror.example.com/edge"
	everything.Images.EdgeWatcher = "other.example.com/edge-watcher:v2"
	everything.Images.PullSecrets = []string{"registry"}
	everything.Pods.CloudCore.NodeSelector = map[string]string{"pool": "system"}
	everything.Pods.CloudCore.Resources.Limits = map[string]string{"memory": "1Gi"}
	everything.Extras = settings.Extras{NetworkPolicy: true, ServiceMonitors: true}
	bare := withAddress(settings.Default(settings.NodePort))
	bare.CloudHub.HTTPS.Enable, bare.CloudStream.Enable = false, false

	for name, s := range map[string]settings.Settings{
		"nodeport": withAddress(settings.Default(settings.NodePort)), "loadbalancer": loadBalancer,
		"ha": ha, "everything": everything, "bare": bare,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Render(s, "v1.36.3")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", name+".yaml"), got)
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), run with -update if it is meant:\n%s", file, diff)
	}
}
