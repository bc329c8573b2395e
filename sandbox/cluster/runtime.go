package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/edgeway-io/edgeway/sandbox/hosts"
)

const containerdConfig = `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "%s"
  # Without CAP_SYS_RESOURCE a lower oom_score_adj is refused and runc gives up.
  restrict_oom_score_adj = true
  disable_apparmor = true
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "%s"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`

const bridgeConflist = `{
  "cniVersion": "0.4.0",
  "name": "sandbox",
  "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "%s"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`

// masquerade is what a network plugin does for pods that leave the cluster's
// pod network.
const masquerade = `table ip sandbox
delete table ip sandbox
table ip sandbox {
	chain postrouting {
		type nat hook postrouting priority 90; policy accept;
		ip saddr %s ip daddr != %s oifname "eth0" masquerade
	}
}
`

// StartRuntime starts containerd on a host, with a pod network on a bridge, and
// waits for its socket.
func StartRuntime(ctx context.Context, self string, h hosts.Host, podCIDR, pauseImage string) error {
	dir := filepath.Join(h.Dir, "containerd")
	cni := filepath.Join(dir, "net.d")
	if err := os.MkdirAll(cni, 0o755); err != nil {
		return err
	}
	files := map[string]string{
		filepath.Join(dir, "config.toml"):        fmt.Sprintf(containerdConfig, pauseImage, cni),
		filepath.Join(cni, "10-bridge.conflist"): fmt.Sprintf(bridgeConflist, podCIDR),
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := h.Nft(ctx, fmt.Sprintf(masquerade, podCIDR, PodCIDR)); err != nil {
		return err
	}
	containerd := hosts.Service{Name: "containerd", Args: []string{"containerd", "--config", filepath.Join(dir, "config.toml")}}
	if err := h.StartService(ctx, self, containerd); err != nil {
		return err
	}
	err := Until(ctx, 30*time.Second, func(ctx context.Context) error {
		_, err := h.Run(ctx, "ctr", "version")
		return err
	})
	if err != nil {
		return fmt.Errorf("containerd on %s (its log: %s): %w", h.Name, h.LogFile("containerd"), err)
	}
	return nil
}
