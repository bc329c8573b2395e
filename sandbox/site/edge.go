package site

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/sandbox/cluster"
	"github.com/edgeway-io/edgeway/sandbox/hosts"
	"github.com/edgeway-io/edgeway/sandbox/images"
)

// NodePorts under which edge hosts reach CloudCore (the chart's defaults).
const (
	hubPort    = "31000"
	certPort   = "31002"
	tunnelPort = "31004"
)

// startEdgeRuntimes gives every edge host its containerd and images, as a device
// has them before it joins.
func (s Site) startEdgeRuntimes(ctx context.Context, set imageSet) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, e := range s.Edges {
		group.Go(func() error {
			if err := cluster.StartRuntime(ctx, s.self(), e.Host, e.PodCIDR, set.pause.Ref); err != nil {
				return err
			}
			return images.Load(ctx, e.Host, set.edge()...)
		})
	}
	return group.Wait()
}

// joinEdges starts EdgeCore on the hosts that `up` joins.
func (s Site) joinEdges(ctx context.Context, k cluster.Kubectl) error {
	token, err := joinToken(ctx, k)
	if err != nil {
		return err
	}
	for _, e := range s.Edges {
		if !e.Joined || e.Host.ServiceRunning("edgecore") {
			continue
		}
		// A device with KubeEdge's own token has no enrollment, and CloudCore acts only for
		// nodes that there are.
		if err := k.Apply(ctx, e.node()); err != nil {
			return err
		}
		if err := e.writeEdgeCoreConfig(token); err != nil {
			return err
		}
		if err := e.Host.StartService(ctx, s.self(), s.edgeCore()); err != nil {
			return err
		}
	}
	return nil
}

// node is the Node of a host that is about to join.
func (e Edge) node() string {
	return fmt.Sprintf("{apiVersion: v1, kind: Node, metadata: {name: %s, labels: {node-role.kubernetes.io/edge: \"\"}}}", e.Host.Name)
}

func (s Site) edgeCore() hosts.Service {
	return hosts.Service{
		Name: "edgecore",
		Args: []string{filepath.Join(s.kubeEdgeBin(), "edgecore"), "--config", "/etc/kubeedge/config/edgecore.yaml"},
		Env: []string{
			"EDGEWAY_KUBELET=" + filepath.Join(s.BinDir, "kube", "kubelet"), // the stand-in runs it
		},
	}
}

// joinToken waits for the token that CloudCore makes at its first start.
func joinToken(ctx context.Context, k cluster.Kubectl) (string, error) {
	var secret struct {
		Data map[string]string `json:"data"`
	}
	var token []byte
	err := cluster.Until(ctx, time.Minute, func(ctx context.Context) error {
		if err := k.Get(ctx, &secret, "secret", "tokensecret", "-n", "kubeedge"); err != nil {
			return err
		}
		var err error
		if token, err = base64.StdEncoding.DecodeString(secret.Data["tokendata"]); err == nil && len(token) == 0 {
			err = fmt.Errorf("secret kubeedge/tokensecret has no tokendata")
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("CloudCore's join token: %w", err)
	}
	return string(token), nil
}

func (e Edge) writeEdgeCoreConfig(token string) error {
	type m = map[string]any
	kubelet := cluster.KubeletOnSharedKernel(e.Host)
	kubelet["containerRuntimeEndpoint"] = "unix:///run/containerd/containerd.sock"
	kubelet["imageServiceEndpoint"] = "unix:///run/containerd/containerd.sock"
	config := m{
		"apiVersion": "edgecore.config.kubeedge.io/v1alpha2", "kind": "EdgeCore",
		"database": m{"dataSource": "/var/lib/kubeedge/edgecore.db"},
		"modules": m{
			"edged": m{
				"enable": true, "hostnameOverride": e.Host.Name, "nodeIP": e.IP,
				"tailoredKubeletConfig": kubelet,
			},
			"edgeHub": m{
				"enable": true, "httpServer": "https://" + controlPlaneIP + ":" + certPort, "token": token,
				"websocket":         m{"enable": true, "server": controlPlaneIP + ":" + hubPort},
				"tlsCaFile":         "/etc/kubeedge/ca/rootCA.crt",
				"tlsCertFile":       "/etc/kubeedge/certs/server.crt",
				"tlsPrivateKeyFile": "/etc/kubeedge/certs/server.key",
			},
			"edgeStream": m{
				"enable": true, "server": controlPlaneIP + ":" + tunnelPort,
				"tlsTunnelCAFile":         "/etc/kubeedge/ca/rootCA.crt",
				"tlsTunnelCertFile":       "/etc/kubeedge/certs/server.crt",
				"tlsTunnelPrivateKeyFile": "/etc/kubeedge/certs/server.key",
			},
			"eventBus":    m{"enable": false},
			"deviceTwin":  m{"enable": false},
			"metaManager": m{"enable": true},
		},
	}
	b, err := yaml.Marshal(config)
	if err != nil {
		return err
	}
	file := e.Host.Path("/etc/kubeedge/config/edgecore.yaml")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600)
}
