package settings

import (
	"fmt"
	"net/netip"
	"regexp"
	"sort"
)

// dnsName is a DNS name of at least two labels, in lower case, whose last label
// is not a number (so that a mistyped address is not taken for a name).
var dnsName = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

// isDNSName also bounds the whole name.
func isDNSName(s string) bool { return len(s) <= 253 && dnsName.MatchString(s) }

// unusable says why no connection from outside can end at addr; "" when it can.
func unusable(addr netip.Addr) string {
	addr = addr.Unmap()
	switch {
	case addr.IsUnspecified():
		return "the unspecified address is no destination"
	case addr.IsLoopback():
		return "a loopback address leads back to the caller"
	case addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "a multicast or broadcast address is no destination"
	case addr.IsLinkLocalUnicast():
		return "a link-local address is not reachable from other networks"
	case addr.Zone() != "":
		return "an address with a zone means something on one machine only"
	}
	return ""
}

func checkAddresses(s Settings, _ ClusterFacts) []Problem {
	var out []Problem
	first := map[string]string{}
	for i, a := range s.CloudHub.AdvertiseAddress {
		field := fmt.Sprintf("cloudHub.advertiseAddress[%d]", i)
		if p := checkAdvertised(field, a); p != nil {
			out = append(out, *p)
			continue
		}
		key := sameAddress(a)
		if same, again := first[key]; again {
			out = append(out, refuse(field, a, "Duplicate", "the address is in the list already, as "+same, "remove it"))
			continue
		}
		first[key] = a
	}
	return out
}

// sameAddress is one text for all ways to write an address.
func sameAddress(a string) string {
	if addr, err := netip.ParseAddr(a); err == nil {
		return addr.Unmap().String()
	}
	return a
}

// checkAdvertised accepts IP addresses and DNS names that edge nodes can dial.
func checkAdvertised(field, a string) *Problem {
	if addr, err := netip.ParseAddr(a); err == nil {
		if why := unusable(addr); why != "" {
			p := refuse(field, a, "UnusableAddress", why, "give the address under which edge nodes reach this cluster")
			return &p
		}
		return nil
	}
	if !isDNSName(a) {
		p := refuse(field, a, "NotAnAddress", "neither an IP address nor a DNS name",
			"give an address such as 203.0.113.7 or a name such as edge.example.com, without scheme and port")
		return &p
	}
	return nil
}

func checkStreamGuard(s Settings, _ ClusterFacts) []Problem {
	var out []Problem
	if !s.StreamGuard.Enable && s.CloudStream.Enable {
		out = append(out, warning("streamGuard.enable", false, "StreamUnguarded",
			"whoever finds a way past the gate reaches CloudCore's stream and tunnel servers, which ask nobody who they are",
			"turn streamGuard on"))
	}
	for _, removed := range []struct {
		field string
		list  []string
	}{{"streamGuard.admit", s.StreamGuard.Admit}, {"streamGuard.admitPods", s.StreamGuard.AdmitPods}} {
		if len(removed.list) > 0 {
			out = append(out, warning(removed.field, removed.list, "NoLongerUsed",
				"nobody is admitted by address any more: callers of the stream port prove who they are, as to a kubelet",
				"remove the field, and give scrapers a token with the right to nodes/metrics"))
		}
	}
	return out
}

// sortProblems orders by field, for checks that walk a map.
func sortProblems(in []Problem) []Problem {
	sort.SliceStable(in, func(i, j int) bool { return in[i].Field < in[j].Field })
	return in
}

func checkBackend(s Settings, _ ClusterFacts) []Problem {
	switch s.IptablesOperator.Backend {
	case BackendAuto, BackendNFTables, BackendIptables:
		return nil
	}
	return []Problem{refuse("iptablesOperator.backend", s.IptablesOperator.Backend, "UnknownBackend",
		"not a backend", "choose auto, nftables or iptables")}
}
