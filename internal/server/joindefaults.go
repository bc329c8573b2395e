package server

import (
	"context"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/observe"
	"github.com/edgeway-io/edgeway/internal/settings"
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

// addressPool is where the wizard looks for a free address to propose. Nothing
// depends on it: any address that nobody else has will do.
var addressPool = netip.MustParsePrefix("192.168.100.0/24")

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
	case status.Settings == nil:
		out.Reason = "KubeEdgeNotEnabled"
	case !status.Settings.CloudHub.HTTPS.Enable:
		out.Reason = "HTTPSDisabled"
	default:
		out.Ready = true
		out.Request.CloudCore = cloudCoreOf(*status.Settings)
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

// cloudCoreOf gives the external numbers: what a device dials.
func cloudCoreOf(s settings.Settings) JoinCloudCore {
	out := JoinCloudCore{}
	if a := s.EffectiveAddresses(); len(a) > 0 {
		out.Host = a[0]
	}
	for _, p := range s.Ports() {
		if !p.Enabled {
			continue
		}
		switch p.Name {
		case "webSocket":
			out.WebSocketPort = int32(p.External)
		case "quic":
			out.QUICPort = int32(p.External)
		case "https":
			out.CertPort = int32(p.External)
		case "tunnel":
			out.TunnelPort = int32(p.External)
		}
	}
	return out
}

// suggestAddress finds a free one as far as the user may look; edge-watcher has
// the last word.
func suggestAddress(ctx context.Context, c *clusterClients) string {
	taken := takenAddresses(ctx, c)
	a, err := enroll.SuggestAddress(addressPool, func(a netip.Addr) bool { return taken[a] })
	if err != nil {
		return ""
	}
	return a.String()
}

// takenAddresses are those of nodes and of enrolments.
func takenAddresses(ctx context.Context, c *clusterClients) map[netip.Addr]bool {
	taken := map[netip.Addr]bool{}
	add := func(s string) {
		if a, err := netip.ParseAddr(s); err == nil {
			taken[a] = true
		}
	}
	if nodes, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"}); err == nil {
		for i := range nodes.Items {
			for _, a := range nodes.Items[i].Status.Addresses {
				if a.Type == corev1.NodeInternalIP {
					add(a.Address)
				}
			}
		}
	}
	var list v1alpha1.EdgeEnrollmentList
	if err := c.objects.List(ctx, &list, client.InNamespace(v1alpha1.JoinNamespace)); err == nil {
		for i := range list.Items {
			if enroll.Reserves(&list.Items[i]) {
				add(list.Items[i].Spec.NodeIP)
			}
		}
	}
	return taken
}
