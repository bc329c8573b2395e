package enroll

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// Files that the configuration names; edgectl writes them.
const (
	caFile   = "/etc/kubeedge/ca/rootCA.crt"
	certFile = "/etc/kubeedge/certs/server.crt"
	keyFile  = "/etc/kubeedge/certs/server.key"
)

// The part of EdgeCore's configuration (edgecore.config.kubeedge.io/v1alpha2)
// that differs from its defaults. KubeEdge's own Go types cannot be imported
// outside its repository.
type (
	edgeCore struct {
		APIVersion string      `json:"apiVersion"`
		Kind       string      `json:"kind"`
		Database   edgeDB      `json:"database"`
		Modules    edgeModules `json:"modules"`
	}
	edgeDB struct {
		DataSource string `json:"dataSource"`
	}
	edgeModules struct {
		Edged       edged       `json:"edged"`
		EdgeHub     edgeHub     `json:"edgeHub"`
		EdgeStream  edgeStream  `json:"edgeStream"`
		EventBus    eventBus    `json:"eventBus"`
		DeviceTwin  enabled     `json:"deviceTwin"`
		MetaManager metaManager `json:"metaManager"`
	}
	enabled struct {
		Enable bool `json:"enable"`
	}
	edged struct {
		Enable           bool              `json:"enable"`
		HostnameOverride string            `json:"hostnameOverride"`
		NodeIP           string            `json:"nodeIP"`
		NodeLabels       map[string]string `json:"nodeLabels,omitempty"`
		Kubelet          kubelet           `json:"tailoredKubeletConfig"`
	}
	kubelet struct {
		ContainerRuntimeEndpoint string         `json:"containerRuntimeEndpoint"`
		ImageServiceEndpoint     string         `json:"imageServiceEndpoint"`
		CgroupDriver             string         `json:"cgroupDriver,omitempty"`
		RegisterWithTaints       []corev1.Taint `json:"registerWithTaints,omitempty"`
		ClusterDNS               []string       `json:"clusterDNS,omitempty"`
		ClusterDomain            string         `json:"clusterDomain,omitempty"`
	}
	edgeHub struct {
		Enable             bool   `json:"enable"`
		HTTPServer         string `json:"httpServer"`
		Token              string `json:"token"`
		TLSCAFile          string `json:"tlsCaFile"`
		TLSCertFile        string `json:"tlsCertFile"`
		TLSPrivateKeyFile  string `json:"tlsPrivateKeyFile"`
		RotateCertificates bool   `json:"rotateCertificates"`
		WebSocket          link   `json:"websocket"`
		QUIC               link   `json:"quic"`
	}
	link struct {
		Enable bool   `json:"enable"`
		Server string `json:"server,omitempty"`
	}
	edgeStream struct {
		Enable                  bool   `json:"enable"`
		Server                  string `json:"server,omitempty"`
		TLSTunnelCAFile         string `json:"tlsTunnelCAFile"`
		TLSTunnelCertFile       string `json:"tlsTunnelCertFile"`
		TLSTunnelPrivateKeyFile string `json:"tlsTunnelPrivateKeyFile"`
	}
	eventBus struct {
		Enable             bool   `json:"enable"`
		MqttMode           int    `json:"mqttMode"`
		MqttServerInternal string `json:"mqttServerInternal,omitempty"`
	}
	metaManager struct {
		Enable     bool    `json:"enable"`
		MetaServer enabled `json:"metaServer"`
	}
)

const (
	// mqttInternal makes EdgeCore run its own broker: nothing else to install.
	mqttInternal = 0
	// meshDNS is where EdgeMesh answers DNS queries on every edge node.
	meshDNS = "169.254.96.16"
)

// EdgeCoreConfig is edgecore.yaml for an enrollment. The certificate is expected
// in place, so it carries no token.
func EdgeCoreConfig(spec *v1alpha1.EdgeEnrollmentSpec) ([]byte, error) {
	host := spec.CloudCore.Host
	stream := spec.Components.EdgeStream && spec.CloudCore.TunnelPort > 0
	c := edgeCore{APIVersion: "edgecore.config.kubeedge.io/v1alpha2", Kind: "EdgeCore",
		Database: edgeDB{DataSource: "/var/lib/kubeedge/edgecore.db"}}
	c.Modules = edgeModules{
		Edged: edged{Enable: true, HostnameOverride: spec.NodeName, NodeIP: spec.NodeIP,
			NodeLabels: selfLabels(spec.Labels), Kubelet: kubeletPart(spec)},
		EdgeHub: edgeHub{Enable: true, HTTPServer: "https://" + hostPort(host, spec.CloudCore.CertPort),
			TLSCAFile: caFile, TLSCertFile: certFile, TLSPrivateKeyFile: keyFile, RotateCertificates: true,
			WebSocket: link{Enable: true, Server: hostPort(host, spec.CloudCore.WebSocketPort)}},
		EdgeStream: edgeStream{Enable: stream, TLSTunnelCAFile: caFile, TLSTunnelCertFile: certFile,
			TLSTunnelPrivateKeyFile: keyFile},
		EventBus:    eventBus{Enable: spec.Components.EventBus, MqttMode: mqttInternal},
		DeviceTwin:  enabled{Enable: spec.Components.EventBus},
		MetaManager: metaManager{Enable: true, MetaServer: enabled{Enable: spec.Components.EdgeMesh}},
	}
	if stream {
		c.Modules.EdgeStream.Server = hostPort(host, spec.CloudCore.TunnelPort)
	}
	if spec.Components.EventBus {
		c.Modules.EventBus.MqttServerInternal = "tcp://127.0.0.1:1884"
	}
	out, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("writing edgecore.yaml of %q: %w", spec.NodeName, err)
	}
	return out, nil
}

func kubeletPart(spec *v1alpha1.EdgeEnrollmentSpec) kubelet {
	endpoint := spec.RuntimeEndpoint
	if endpoint == "" {
		endpoint = DefaultRuntimeEndpoint
	}
	k := kubelet{ContainerRuntimeEndpoint: endpoint, ImageServiceEndpoint: endpoint,
		CgroupDriver: spec.CgroupDriver, RegisterWithTaints: spec.Taints}
	if spec.Components.EdgeMesh {
		k.ClusterDNS, k.ClusterDomain = []string{meshDNS}, "cluster.local"
	}
	return k
}

// selfLabels are those that a kubelet may give itself; the roles come from
// CloudCore and edge-watcher.
func selfLabels(labels map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range labels {
		if !strings.HasPrefix(key, "node-role.kubernetes.io/") {
			out[key] = value
		}
	}
	return out
}

func hostPort(host string, port int32) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
