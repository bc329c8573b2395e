package v1alpha1

import "net/netip"

// CanRoute says that an EdgeRoute may have the address: one rule with the pattern of
// EdgeRoute.Address and of EdgeEnrollmentSpec.NodeIP. 0.0.0.0/8, 127.0.0.0/8, and IPv6 addresses that begin
// with 0, such as ::1 and ::82, mean the cloud node itself or no node.
func CanRoute(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" {
		return false
	}
	b := addr.AsSlice()
	if addr.Is4() {
		return b[0] != 0 && b[0] != 127
	}
	return b[0] != 0 || b[1] != 0
}
