package server

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/edgeway-io/edgeway/internal/portcheck"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// portCheckLimit bounds one check of all ports.
const portCheckLimit = 20 * time.Second

// PortCheck is what the console found when it tried the ports itself.
type PortCheck struct {
	Host    string             `json:"host" doc:"Name of the machine or pod that tried. Edge nodes are elsewhere: a port that is open from here may be closed from there"`
	At      time.Time          `json:"at"`
	Results []portcheck.Result `json:"results"`
}

func (s *Server) portCheckRoutes() {
	check := op(http.MethodPost, pathKubeEdge+"/check", "checkPorts", "Try whether the ports for edge nodes are open, from where the console runs")
	check.Errors = append(check.Errors, http.StatusConflict, http.StatusTooManyRequests)
	huma.Register(s.api, check, s.checkKubeEdgePorts)
}

// checkKubeEdgePorts takes no address from the request: only what is saved is tried.
func (s *Server) checkKubeEdgePorts(ctx context.Context, in *ClusterPath) (*Body[PortCheck], error) {
	user := callOf(ctx).sess.user
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, portCheckLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := s.mustAdmin(ctx, c); err != nil {
		return nil, err
	}
	if !s.portChecks.Allow(user) {
		return nil, fail(http.StatusTooManyRequests, "RateLimited", "the ports were checked several times just now", "wait a few seconds")
	}
	status, err := s.cfg.KubeEdge.Status(ctx, c.config)
	if err != nil {
		return nil, kubeError(err)
	}
	targets := portTargets(status.Addresses, status.Ports)
	if len(targets) == 0 {
		return nil, fail(http.StatusConflict, "NothingToCheck", "KubeEdge has no address for edge nodes on this cluster", "enable it first")
	}
	host, err := os.Hostname()
	if err != nil {
		host = "console"
	}
	return &Body[PortCheck]{PortCheck{Host: host, At: s.cfg.Now(), Results: s.checkPorts(ctx, targets)}}, nil
}

// portTargets are the enabled services for edge nodes at every address. The stream port
// is not among them: from within the cluster it may well be open.
func portTargets(addresses []string, ports []settings.Port) []portcheck.Target {
	var out []portcheck.Target
	for _, address := range addresses {
		for _, p := range ports {
			if p.Enabled && p.FromEdge {
				out = append(out, portcheck.Target{Name: p.Name, Address: address, Port: p.External, Protocol: p.Protocol})
			}
		}
	}
	return out
}
