package site

import (
	"context"
	"path/filepath"

	"github.com/edgeway-io/edgeway/sandbox/cluster"
	"github.com/edgeway-io/edgeway/sandbox/hosts"
)

// startBalancer gives Services of type LoadBalancer addresses on a cloud node.
func (s Site) startBalancer(ctx context.Context, c cluster.Cluster, on hosts.Host, pool string) error {
	return on.StartService(ctx, s.self(), hosts.Service{Name: "servicelb", Args: []string{
		filepath.Join(s.BinDir, "servicelb"), "--kubeconfig", c.Kubeconfig(), "--pool", pool, "--link", "eth0",
	}})
}
