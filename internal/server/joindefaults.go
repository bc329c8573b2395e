package server

import (
	"context"
	"net/netip"

	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/observe"
)

// JoinDefaults is what the wizard proposes. Ready is false when the cluster's
// KubeEdge cannot take nodes; Reason says why.
type JoinDefaults struct {
	Ready   bool        `json:"ready"`
	Reason  string      `json:"reason,omitempty"`
	Request JoinRequest `json:"request"`
	// Installers are the architectures that the console has edgectl for.
	Installers []string `json:"installers"`
}

func (s *Server) joinDefaults(ctx context.Context, in *ClusterPath) (*Body[JoinDefaults], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	out := JoinDefaults{Installers: []string{}, Request: proposal()}
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		if s.cfg.Installers != nil && s.cfg.Installers.EdgectlSHA256(arch) != "" {
			out.Installers = append(out.Installers, arch)
		}
	}
	out.Request.NodeIP = suggestAddress(ctx, c)
	status, err := s.cfg.KubeEdge.Status(ctx, c.config)
	switch {
	case err != nil:
		return nil, kubeError(err)
	case status.Unreadable != "":
		_, err := status.InForce()
		return nil, kubeError(err)
	case status.Settings == nil:
		out.Reason = "KubeEdgeNotEnabled"
	case !status.Settings.CloudHub.HTTPS.Enable:
		out.Reason = "HTTPSDisabled"
	default:
		out.Ready = true
		out.Request.CloudCore = JoinCloudCore(enroll.CloudCoreOf(*status.Settings))
		out.Request.EdgeStream = status.Settings.CloudStream.Enable
	}
	return &Body[JoinDefaults]{out}, nil
}

func proposal() JoinRequest {
	c := enroll.DefaultComponents()
	r := JoinRequest{
		Arch: "amd64", Labels: enroll.DefaultLabels(), Taints: []observe.Taint{},
		EdgeStream: c.EdgeStream, EdgeMesh: c.EdgeMesh, EventBus: c.EventBus,
		LifetimeMinutes: int(enroll.DefaultLifetime.Minutes()),
	}
	for _, t := range enroll.DefaultTaints() {
		r.Taints = append(r.Taints, observe.Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)})
	}
	return r
}

// suggestAddress finds one that is free as far as the user may look.
func suggestAddress(ctx context.Context, c *clusterClients) string {
	taken := enroll.TakenAddresses(ctx, c.objects)
	a, err := enroll.SuggestAddress(enroll.AddressPool, func(a netip.Addr) bool { return taken[a] })
	if err != nil {
		return ""
	}
	return a.String()
}
