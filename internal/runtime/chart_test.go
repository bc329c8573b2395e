package runtime

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"

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
	everything.EdgeWatcher.History, everything.EdgeWatcher.PrometheusURL = true, "http://prometheus.monitoring.svc:9090"
	everything.IptablesOperator.Backend = settings.BackendIptables
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

func TestLint(t *testing.T) {
	values, err := withAddress(settings.Default(settings.NodePort)).HelmValues()
	if err != nil {
		t.Fatal(err)
	}
	lint := action.NewLint()
	lint.Strict, lint.Namespace = true, Namespace
	for _, err := range lint.Run([]string{"../../charts/kubeedge"}, values).Errors {
		t.Error(err)
	}
}

func TestChartRefuses(t *testing.T) {
	for name, change := range map[string]func(*settings.Settings){
		"no address":      func(s *settings.Settings) { s.CloudHub.AdvertiseAddress = []string{} },
		"no way in":       func(s *settings.Settings) { s.CloudHub.WebSocket.Enable = false },
		"unknown service": func(s *settings.Settings) { s.ServiceType = "ClusterIP" },
		"port too high":   func(s *settings.Settings) { s.CloudStream.TunnelPort = 70000 },
	} {
		s := withAddress(settings.Default(settings.NodePort))
		change(&s)
		if _, err := Render(s, "v1.36.3"); err == nil {
			t.Errorf("%s: rendered", name)
		}
	}
	if _, err := Render(withAddress(settings.Default(settings.NodePort)), "v1.27.9"); err == nil {
		t.Error("rendered for a Kubernetes that is too old")
	}
}

// Plain helm renders from the chart's own values what edgeway renders from the defaults.
func TestPortZeroIsTheDefault(t *testing.T) {
	for _, service := range []settings.ServiceType{settings.NodePort, settings.LoadBalancer} {
		s := withAddress(settings.Default(service))
		want, err := Render(s, "v1.36.3")
		if err != nil {
			t.Fatal(err)
		}
		chart, err := loadChart()
		if err != nil {
			t.Fatal(err)
		}
		install := action.NewInstall(action.NewConfiguration())
		install.DryRunStrategy, install.ReleaseName, install.Namespace, install.SkipCRDs = action.DryRunClient, ReleaseName, Namespace, true
		if install.KubeVersion, err = common.ParseKubeVersion("v1.36.3"); err != nil {
			t.Fatal(err)
		}
		done, err := install.Run(chart, map[string]any{
			"serviceType": string(service), "cloudHub": map[string]any{"advertiseAddress": []any{"203.0.113.7"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		rel, err := asRelease(done)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, manifests(rel)); diff != "" {
			t.Errorf("%s: %s", service, diff)
		}
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

// TestPlainHelmCannotRemoveADefault: null in Helm's values removes the chart's default,
// which would switch the stream guard off without a word.
func TestPlainHelmCannotRemoveADefault(t *testing.T) {
	for _, name := range []string{"streamGuard", "streamGuard.enable", "cloudHub.https.enable", "cloudHub.nodeLimit",
		"cloudStream.port", "images.pullPolicy", "pods.edgeWatcher.resources.requests", "extras"} {
		chart, err := loadChart()
		if err != nil {
			t.Fatal(err)
		}
		install := action.NewInstall(action.NewConfiguration())
		install.DryRunStrategy, install.ReleaseName, install.Namespace, install.SkipCRDs = action.DryRunClient, ReleaseName, Namespace, true
		if install.KubeVersion, err = common.ParseKubeVersion("v1.36.3"); err != nil {
			t.Fatal(err)
		}
		values := map[string]any{"cloudHub": map[string]any{"advertiseAddress": []any{"203.0.113.7"}}}
		at := values
		path := strings.Split(name, ".")
		for _, key := range path[:len(path)-1] {
			if at[key] == nil {
				at[key] = map[string]any{}
			}
			at = at[key].(map[string]any)
		}
		last := path[len(path)-1]
		at[last] = nil
		if _, err := install.Run(chart, values); err == nil || !strings.Contains(err.Error(), last) {
			t.Errorf("%s: null gives %v, want it refused by name", name, err)
		}
	}
}
