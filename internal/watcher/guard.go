package watcher

import (
	"net/netip"
	"slices"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
)

// maxGuardAddresses is what an EdgeRouteGuard may hold.
const maxGuardAddresses = 512

// guardOf is what the operators guard: CloudCore listens on all addresses of its pod, and
// nobody but the gate beside it has business at the ports behind the gate.
func guardOf(enabled bool, cores []routes.CloudCore) *v1alpha1.EdgeRouteGuard {
	if !enabled {
		return &v1alpha1.EdgeRouteGuard{}
	}
	var addrs []netip.Addr
	for _, core := range cores {
		addrs = append(addrs, core.Addresses...)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	guard := &v1alpha1.EdgeRouteGuard{Enabled: true, Ports: []int32{
		v1alpha1.CoreHubPort, v1alpha1.CoreCertificatePort, v1alpha1.CoreStreamPort, v1alpha1.CoreTunnelPort,
	}}
	for _, addr := range addrs[:min(len(addrs), maxGuardAddresses)] {
		guard.Addresses = append(guard.Addresses, addr.String())
	}
	return guard
}
