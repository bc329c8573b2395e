package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/sandbox/hosts"
)

// StartNode starts containerd, kubelet and kube-proxy on a cloud host.
func (c Cluster) StartNode(ctx context.Context, n Node) error {
	if err := StartRuntime(ctx, c.Self, n.Host, n.PodCIDR, c.PauseImage); err != nil {
		return err
	}
	cert := "kubelet-" + n.Host.Name
	names := []string{n.Host.Name, n.IP}
	if err := c.pki().ensureCert(clusterCA, cert, subject{user: "system:node:" + n.Host.Name, groups: []string{"system:nodes"}, names: names}); err != nil {
		return err
	}
	if err := c.writeKubeconfig(c.kubeconfig(cert), cert); err != nil {
		return err
	}
	kubelet, err := c.kubelet(n, cert)
	if err != nil {
		return err
	}
	if err := c.start(ctx, n.Host, kubelet); err != nil {
		return err
	}
	proxy, err := c.proxy(n)
	if err != nil {
		return err
	}
	return c.start(ctx, n.Host, proxy)
}

func (c Cluster) kubelet(n Node, cert string) (hosts.Service, error) {
	p := c.pki()
	config := map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": p.File(clusterCA + ".crt")},
		},
		"authorization":             map[string]any{"mode": "Webhook"},
		"tlsCertFile":               p.File(cert + ".crt"),
		"tlsPrivateKeyFile":         p.File(cert + ".key"),
		"registerWithTaints":        n.Taints,
		"containerRuntimeEndpoint":  "unix:///run/containerd/containerd.sock",
		"nodeStatusUpdateFrequency": "10s",
		"syncFrequency":             "10s",
		"serializeImagePulls":       false,
	}
	for k, v := range KubeletOnSharedKernel(n.Host) {
		config[k] = v
	}
	file := filepath.Join(c.Dir, cert+".yaml")
	if err := WriteYAML(file, config); err != nil {
		return hosts.Service{}, err
	}
	labels := make([]string, 0, len(n.Labels))
	for k, v := range n.Labels {
		labels = append(labels, k+"="+v)
	}
	return c.program("kubelet", "--config="+file, "--kubeconfig="+c.kubeconfig(cert),
		"--hostname-override="+n.Host.Name, "--node-ip="+n.IP, "--node-labels="+strings.Join(labels, ","), "--v=1"), nil
}

// KubeletOnSharedKernel are the kubelet settings that several kubelets on one
// kernel need, as fields of a KubeletConfiguration.
func KubeletOnSharedKernel(h hosts.Host) map[string]any {
	return map[string]any{
		// Without a root of its own each kubelet kills the others' pods.
		"cgroupRoot":   h.Cgroup(),
		"cgroupDriver": "cgroupfs",
		// Accept what the machine has: swap, cgroup v1, a disk that is fuller than a
		// kubelet would like.
		"failSwapOn":                  false,
		"failCgroupV1":                false,
		"evictionHard":                map[string]string{"nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%", "memory.available": "50Mi"},
		"imageGCHighThresholdPercent": 100,
		"resolvConf":                  "",
		"enforceNodeAllocatable":      []string{"pods"},
	}
}

func (c Cluster) proxy(n Node) (hosts.Service, error) {
	config := map[string]any{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
		"mode": "nftables", "clusterCIDR": PodCIDR, "hostnameOverride": n.Host.Name,
		"clientConnection":   map[string]any{"kubeconfig": c.kubeconfig("kube-proxy")},
		"healthzBindAddress": "127.0.0.1:10256", "metricsBindAddress": "127.0.0.1:10249",
		// The connection tracking limits are the machine's, not the host's.
		"conntrack": map[string]any{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
	}
	file := filepath.Join(c.Dir, "kube-proxy-"+n.Host.Name+".yaml")
	if err := WriteYAML(file, config); err != nil {
		return hosts.Service{}, err
	}
	return c.program("kube-proxy", "--config="+file), nil
}

// WriteYAML writes a value as a YAML file.
func WriteYAML(file string, v any) error {
	b, err := yaml.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, b, 0o644)
}

// SetPodCIDR records a node's pod range in its Node object, as a controller
// would that hands such ranges out.
func (c Cluster) SetPodCIDR(ctx context.Context, node, cidr string) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"podCIDR": cidr, "podCIDRs": []string{cidr}}})
	if err != nil {
		return err
	}
	_, err = c.Kubectl().Run(ctx, "patch", "node", node, "--type=merge", "-p", string(patch))
	return err
}
