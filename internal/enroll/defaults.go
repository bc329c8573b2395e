package enroll

import (
	"context"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// AddressPool is where a free address is looked for to propose. Nothing depends on it:
// any address that nobody else has will do.
var AddressPool = netip.MustParsePrefix("192.168.100.0/24")

// CloudCoreOf is CloudCore as a device dials it: the first address, and the external
// numbers of the ports that are enabled.
func CloudCoreOf(s settings.Settings) v1alpha1.CloudCoreAddress {
	out := v1alpha1.CloudCoreAddress{}
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

// TakenAddresses are those of nodes and of enrollments, as far as the user may look;
// edge-watcher has the last word.
func TakenAddresses(ctx context.Context, user client.Client) map[netip.Addr]bool {
	taken := map[netip.Addr]bool{}
	add := func(s string) {
		if a, err := netip.ParseAddr(s); err == nil {
			taken[a] = true
		}
	}
	var nodes corev1.NodeList
	fromCache := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}}
	if err := user.List(ctx, &nodes, fromCache); err == nil {
		for i := range nodes.Items {
			for _, a := range nodes.Items[i].Status.Addresses {
				if a.Type == corev1.NodeInternalIP {
					add(a.Address)
				}
			}
		}
	}
	if enrollments, err := List(ctx, user); err == nil {
		for i := range enrollments {
			if Reserves(&enrollments[i]) {
				add(enrollments[i].Spec.NodeIP)
			}
		}
	}
	return taken
}
