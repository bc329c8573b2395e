package routes

import (
	"fmt"
	"net/netip"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// facts are what the cluster itself occupies.
type facts struct {
	cloudAddrs   map[netip.Addr]string // to the cloud node's name
	coreAddrs    map[netip.Addr]bool
	podCIDRs     prefixSet
	serviceCIDRs prefixSet
}

func newFacts(in Input) *facts {
	f := &facts{cloudAddrs: map[netip.Addr]string{}, coreAddrs: map[netip.Addr]bool{}}
	for i := range in.Nodes {
		node := &in.Nodes[i]
		// Edge nodes too are given pod CIDRs, and pods live in them.
		for _, cidr := range node.PodCIDRs {
			f.podCIDRs.add(cidr)
		}
		if !in.IsCloud(node) {
			continue
		}
		for _, text := range node.Addresses {
			if addr, err := parseAddr(text); err == nil {
				f.addCloud(addr, node.Name)
			}
		}
	}
	for node, addrs := range in.Reported {
		for _, addr := range addrs {
			f.addCloud(addr.Unmap(), node)
		}
	}
	for _, core := range in.CloudCores {
		for _, addr := range core.Addresses {
			f.coreAddrs[addr] = true
		}
	}
	if in.Settings.Destination.IsValid() {
		f.coreAddrs[in.Settings.Destination.Addr().Unmap()] = true
	}
	for _, cidr := range in.ServiceCIDRs {
		f.serviceCIDRs.add(cidr)
	}
	return f
}

// addCloud notes a cloud node's address. Of several cloud nodes with one address the
// first by name is named, whatever order they come in.
func (f *facts) addCloud(addr netip.Addr, node string) {
	if other, found := f.cloudAddrs[addr]; !found || node < other {
		f.cloudAddrs[addr] = node
	}
}

// parseAddr reads an address that can be a packet's destination anywhere: one
// without a zone.
func parseAddr(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, err
	}
	if addr.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("address %q has a zone", text)
	}
	return addr.Unmap(), nil
}

// addressCheck refuses an address, or passes it on.
type addressCheck func(netip.Addr, *facts) (reason Reason, what string, refused bool)

// addressChecks in the order in which they are asked; the first refusal counts.
var addressChecks = [...]addressCheck{
	isUnspecified, isLoopback, isReserved, isLinkLocal, isMulticast, isCloudCore, isCloudNode, isService, isPod,
}

// refuse says why an address must not be routed, if so. Whoever may set a Node's
// status would otherwise draw the cluster's own traffic into the tunnel.
func refuse(addr netip.Addr, f *facts) (Finding, bool) {
	for _, check := range addressChecks {
		if reason, what, refused := check(addr, f); refused {
			return refusal(reason, fmt.Sprintf(
				"Address %s is %s and is not redirected. Give the edge node another address (EdgeCore's modules.edged.nodeIP).",
				addr, what)), true
		}
	}
	return Finding{}, false
}

// 0.0.0.0 and :: mean "this host".
func isUnspecified(addr netip.Addr, _ *facts) (Reason, string, bool) {
	return ReasonAddressUnspecified, "the unspecified address", addr.IsUnspecified()
}

// A redirected loopback address would cut off the cloud node's own services.
func isLoopback(addr netip.Addr, _ *facts) (Reason, string, bool) {
	return ReasonAddressLoopback, "a loopback address", addr.IsLoopback()
}

// The kernel takes 0.0.0.0/8 for itself, and IPv6 addresses that begin with 0 embed others.
// The schema of EdgeRoute does not match them; v1alpha1.CanRoute is the same rule.
func isReserved(addr netip.Addr, _ *facts) (Reason, string, bool) {
	return ReasonAddressReserved, "in a network that no host has its address from", !v1alpha1.CanRoute(addr)
}

// Link-local addresses mean another host on every link, cloud metadata services
// (169.254.169.254) among them.
func isLinkLocal(addr netip.Addr, _ *facts) (Reason, string, bool) {
	return ReasonAddressLinkLocal, "a link-local address", addr.IsLinkLocalUnicast()
}

// Nothing answers TCP on a group or broadcast address.
func isMulticast(addr netip.Addr, _ *facts) (Reason, string, bool) {
	broadcast := addr == netip.AddrFrom4([4]byte{255, 255, 255, 255})
	return ReasonAddressMulticast, "a multicast or broadcast address", addr.IsMulticast() || broadcast
}

// Routing the place where routes end would loop or starve them.
func isCloudCore(addr netip.Addr, f *facts) (Reason, string, bool) {
	return ReasonAddressOfCloudCore, "where CloudCore itself listens", f.coreAddrs[addr]
}

// A cloud node always wins: its kubelet listens on the same port.
func isCloudNode(addr netip.Addr, f *facts) (Reason, string, bool) {
	name, found := f.cloudAddrs[addr]
	return ReasonAddressOfCloudNode, fmt.Sprintf("an address of cloud node %s", name), found
}

// Service addresses have a meaning of their own in every cloud node's kernel.
func isService(addr netip.Addr, f *facts) (Reason, string, bool) {
	return ReasonAddressInServiceCIDR, "inside the cluster's service CIDR", f.serviceCIDRs.contains(addr)
}

// A pod may get this address at any time.
func isPod(addr netip.Addr, f *facts) (Reason, string, bool) {
	return ReasonAddressInPodCIDR, "inside a pod CIDR", f.podCIDRs.contains(addr)
}

// prefixSet answers whether an address is in one of many prefixes. Every node has
// a pod CIDR, so that asking them one by one would cost nodes × nodes; clusters use
// few different lengths, so a look-up per length is enough.
type prefixSet struct {
	byLength map[int]map[netip.Prefix]bool
}

func (s *prefixSet) add(p netip.Prefix) {
	p = p.Masked()
	if !p.IsValid() {
		return
	}
	if s.byLength == nil {
		s.byLength = map[int]map[netip.Prefix]bool{}
	}
	if s.byLength[p.Bits()] == nil {
		s.byLength[p.Bits()] = map[netip.Prefix]bool{}
	}
	s.byLength[p.Bits()][p] = true
}

func (s *prefixSet) contains(addr netip.Addr) bool {
	for bits, prefixes := range s.byLength {
		// Prefix fails for lengths that the address's family does not have.
		if p, err := addr.Prefix(bits); err == nil && prefixes[p] {
			return true
		}
	}
	return false
}
