// Package settingstest makes settings for tests.
package settingstest

import (
	"fmt"
	"math/rand/v2"

	"github.com/edgeway-io/edgeway/internal/settings"
)

// Random are valid settings for any cluster, with addresses of their own.
func Random(r *rand.Rand) settings.Settings {
	s := settings.Default([]settings.ServiceType{settings.NodePort, settings.LoadBalancer}[r.IntN(2)])
	s.HA, s.DynamicController = r.IntN(2) == 0, r.IntN(2) == 0
	s.CloudHub.NodeLimit = 1 + r.IntN(100000)
	s.CloudHub.QUIC.Enable = r.IntN(2) == 0
	s.CloudHub.WebSocket.Enable = !s.CloudHub.QUIC.Enable || r.IntN(2) == 0
	s.CloudHub.HTTPS.Enable, s.CloudStream.Enable = r.IntN(4) > 0, r.IntN(4) > 0
	base := 30000 + r.IntN(2700)
	s.CloudHub.WebSocket.Port, s.CloudHub.QUIC.Port, s.CloudHub.HTTPS.Port = base, base+1, base+2
	s.CloudStream.Port, s.CloudStream.TunnelPort = base+3, base+4
	if r.IntN(2) == 0 {
		s.CloudHub.HTTPS.ExternalPort = 443
	}
	s.CloudHub.AdvertiseAddress = []string{fmt.Sprintf("203.0.113.%d", 1+r.IntN(250)), fmt.Sprintf("edge-%d.example.com", r.IntN(1<<30))}
	if s.CloudStream.Enable && r.IntN(2) == 0 {
		s.EdgeWatcher.DestinationAddress = fmt.Sprintf("192.168.1.%d", 1+r.IntN(250))
		s.EdgeWatcher.DestinationPort = 1 + r.IntN(65535)
	}
	s.Images.Registry = []string{"", "registry.example.com:5000/mirror", "localhost:5000"}[r.IntN(3)]
	s.Pods.CloudCore.NodeSelector = map[string]string{"pool": fmt.Sprintf("p%d", r.IntN(9))}
	s.EdgeWatcher.History = r.IntN(2) == 0
	s.EdgeWatcher.PrometheusURL = []string{"", "http://prometheus.monitoring.svc:9090"}[r.IntN(2)]
	s.EdgeWatcher.ServiceCIDRs = [][]string{{}, {"10.96.0.0/12", "fd00:96::/112"}}[r.IntN(2)]
	s.IptablesOperator.Backend = []settings.Backend{settings.BackendAuto, settings.BackendNFTables, settings.BackendIptables}[r.IntN(3)]
	s.Extras.NetworkPolicy, s.Extras.ServiceMonitors = r.IntN(2) == 0, r.IntN(2) == 0
	s.Images.PullSecrets = [][]string{{}, {"registry"}, {"one", "two.three"}}[r.IntN(3)]
	s.Images.PullPolicy = []string{"IfNotPresent", "Always", "Never"}[r.IntN(3)]
	s.Pods.IptablesOperator.Tolerations = append(s.Pods.IptablesOperator.Tolerations,
		settings.Toleration{Key: "dedicated", Operator: "Equal", Value: "edge", Effect: "NoExecute"})
	s.StreamGuard.Enable = r.IntN(4) > 0
	s.Pods.EdgeWatcher.Resources.Limits = map[string]string{"memory": fmt.Sprintf("%dMi", 64+r.IntN(1000))}
	return s
}
