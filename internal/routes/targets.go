package routes

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// maxTargets is what an EdgeRouteTargets may hold.
const maxTargets = 256

// targets are the CloudCores that routes may name.
type targets struct {
	list  []v1alpha1.EdgeRouteTarget
	notes []Note

	byID       map[string]reach
	byPort     map[int32]string
	configured bool
	// fallback is for nodes whose tunnel no recorded CloudCore holds.
	fallback string
	// unrecorded are addresses of CloudCores that no record mentions.
	unrecorded []netip.Addr
}

// TargetID is the ID of the CloudCore with a tunnel port.
func TargetID(tunnelPort int32) string { return strconv.Itoa(int(tunnelPort)) }

func newTargets(in Input, f *facts) *targets {
	t := &targets{byID: map[string]reach{}, byPort: map[int32]string{}}
	live, unrecorded := matchRecord(in, f)
	t.unrecorded = unrecorded
	ports, notes := recordedPorts(in, live)
	t.notes = notes
	for _, port := range ports {
		t.byPort[port] = TargetID(port)
		t.list = append(t.list, v1alpha1.EdgeRouteTarget{
			ID: TargetID(port), TunnelPort: port, Endpoints: live[port],
		})
	}
	t.fallback = fallback(t.list)
	if dst := in.Settings.Destination; dst.IsValid() {
		t.configured = true
		t.list = append(t.list, v1alpha1.EdgeRouteTarget{
			ID:        v1alpha1.TargetConfigured,
			Endpoints: []v1alpha1.EdgeRouteEndpoint{endpoint(dst.Addr().Unmap(), int32(dst.Port()))},
		})
	}
	slices.SortFunc(t.list, func(a, b v1alpha1.EdgeRouteTarget) int { return strings.Compare(a.ID, b.ID) })
	for _, target := range t.list {
		t.byID[target.ID] = reachOf(target)
	}
	return t
}

// matchRecord finds the endpoints of every recorded tunnel port that a running
// CloudCore stands behind, and the CloudCores that no record mentions.
//
// The recorded address is that of the default-route interface of the host or pod
// CloudCore runs in: on a host with several addresses it need not be the pod's, so
// an address of the same host counts too where CloudCore uses the host's network.
func matchRecord(in Input, f *facts) (map[int32][]v1alpha1.EdgeRouteEndpoint, []netip.Addr) {
	cores := slices.SortedFunc(slices.Values(in.CloudCores), func(a, b CloudCore) int { return strings.Compare(a.Pod, b.Pod) })
	live := map[int32][]v1alpha1.EdgeRouteEndpoint{}
	recorded := make([]bool, len(cores))
	for _, addr := range slices.SortedFunc(maps.Keys(in.Record.Current), netip.Addr.Compare) {
		port := in.Record.Current[addr]
		i := slices.IndexFunc(cores, func(c CloudCore) bool { return slices.Contains(c.Addresses, addr) })
		if i < 0 {
			i = slices.IndexFunc(cores, func(c CloudCore) bool { return onHostOf(c, addr, f) })
		}
		if i < 0 {
			continue
		}
		recorded[i] = true
		if live[port] == nil {
			live[port] = endpoints(cores[i], in.Settings.StreamPort)
		}
	}
	var unrecorded []netip.Addr
	for i, core := range cores {
		if !recorded[i] && len(core.Addresses) > 0 {
			unrecorded = append(unrecorded, core.Addresses[0])
		}
	}
	return live, unrecorded
}

// onHostOf says that addr belongs to the cloud node whose network a CloudCore uses.
func onHostOf(core CloudCore, addr netip.Addr, f *facts) bool {
	node, found := f.cloudAddrs[addr]
	return found && node == core.NodeName &&
		slices.ContainsFunc(core.Addresses, func(a netip.Addr) bool { return f.cloudAddrs[a] == node })
}

// recordedPorts are the tunnel ports worth a target: those of running CloudCores,
// and those that edge nodes still have from a CloudCore that is gone, so that
// requests to them are refused rather than sent to a stranger. The record itself
// only ever grows.
func recordedPorts(in Input, live map[int32][]v1alpha1.EdgeRouteEndpoint) ([]int32, []Note) {
	wanted := map[int32]bool{}
	for _, node := range in.Nodes {
		if node.Edge && in.Record.Ports[node.KubeletPort] {
			wanted[node.KubeletPort] = true
		}
	}
	for port := range live {
		wanted[port] = true
	}
	if len(live) == 0 && len(in.Record.Current) > 0 {
		// The CloudCore that recorded itself last is the likeliest to come back.
		wanted[slices.Max(slices.Collect(maps.Values(in.Record.Current)))] = true
	}
	var notes []Note
	for _, port := range requestPorts(in.Settings) {
		if wanted[port] {
			notes = append(notes, Note{NotePortReserved, fmt.Sprintf(
				"CloudCore recorded tunnel port %d, which is the log or the metrics port. Choose other ports.", port)})
			delete(wanted, port)
		}
	}
	// Running CloudCores come first, should there be more than fit.
	ports := slices.SortedFunc(maps.Keys(wanted), func(a, b int32) int {
		if (live[a] != nil) != (live[b] != nil) {
			if live[a] != nil {
				return -1
			}
			return 1
		}
		return int(a) - int(b)
	})
	if most := maxTargets - 1; len(ports) > most {
		notes = append(notes, Note{NoteTooManyTargets, fmt.Sprintf(
			"%d tunnel ports are in use and only %d of them are routed.", len(ports), most)})
		ports = ports[:most]
	}
	return ports, notes
}

// fallback is the target of nodes whose kubelet port is no recorded tunnel port:
// their tunnel has not connected yet. The lowest with an endpoint, else the lowest;
// none when no CloudCore has recorded itself.
func fallback(list []v1alpha1.EdgeRouteTarget) string {
	var best *v1alpha1.EdgeRouteTarget
	for i := range list {
		target := &list[i]
		if best == nil || rank(target) < rank(best) {
			best = target
		}
	}
	if best == nil {
		return ""
	}
	return best.ID
}

func rank(t *v1alpha1.EdgeRouteTarget) int32 {
	if len(t.Endpoints) == 0 {
		return 1<<16 + t.TunnelPort
	}
	return t.TunnelPort
}

// forPort is the target of a node with a kubelet port.
func (t *targets) forPort(port int32) string {
	if t.configured {
		return v1alpha1.TargetConfigured
	}
	if id, found := t.byPort[port]; found {
		return id
	}
	return t.fallback
}

// check says whether requests to a routed address reach anything.
func (t *targets) check(id string, c claim, finding Finding) Finding {
	target, found := t.byID[id]
	switch {
	case !found:
		return broken(ReasonNoCloudCore, fmt.Sprintf(
			"No CloudCore has recorded a tunnel port; requests to %s are refused. Check that CloudCore runs with CloudStream enabled.", c.addr))
	case !target.v4 && !target.v6 && len(t.unrecorded) > 0:
		return broken(ReasonRecordedAddressUnmatched, fmt.Sprintf(
			"CloudCore %s is not running at its recorded address, and the one at %s has no record; requests to %s are refused. Restart CloudCore if this lasts.",
			id, t.unrecorded[0], c.addr))
	case !target.v4 && !target.v6:
		return broken(ReasonNoEndpoint, fmt.Sprintf(
			"CloudCore %s has no endpoint; requests to %s are refused until it runs.", id, c.addr))
	case c.addr.Is4() && !target.v4, c.addr.Is6() && !target.v6:
		return broken(ReasonNoEndpointInFamily, fmt.Sprintf(
			"CloudCore %s has no endpoint in the IP family of %s; requests to it are refused. Give the edge node an address of the other family, or CloudCore both.", id, c.addr))
	}
	return finding
}

// reach is the IP families in which a target has an endpoint.
type reach struct{ v4, v6 bool }

func reachOf(target v1alpha1.EdgeRouteTarget) reach {
	var r reach
	for _, e := range target.Endpoints {
		if addr, err := netip.ParseAddr(e.Address); err == nil {
			r.v4 = r.v4 || addr.Is4()
			r.v6 = r.v6 || addr.Is6()
		}
	}
	return r
}

// endpoints of a CloudCore: its first address of each family, IPv4 first.
func endpoints(core CloudCore, port int32) []v1alpha1.EdgeRouteEndpoint {
	var out []v1alpha1.EdgeRouteEndpoint
	for _, is4 := range []bool{true, false} {
		i := slices.IndexFunc(core.Addresses, func(a netip.Addr) bool { return a.Is4() == is4 })
		if i >= 0 {
			out = append(out, endpoint(core.Addresses[i], port))
		}
	}
	return out
}

func endpoint(addr netip.Addr, port int32) v1alpha1.EdgeRouteEndpoint {
	return v1alpha1.EdgeRouteEndpoint{Address: addr.String(), Port: port}
}

// destinationNotes warn of a destination that cannot serve everybody: the kernel
// takes one NAT decision per connection, so a NodePort of a cloud node does not work
// for that node's own processes, its apiserver among them.
func destinationNotes(in Input, f *facts) []Note {
	dst := in.Settings.Destination
	if !dst.IsValid() {
		return nil
	}
	name, found := f.cloudAddrs[dst.Addr().Unmap()]
	if !found || int32(dst.Port()) == in.Settings.StreamPort {
		return nil
	}
	return []Note{{NoteDestinationIsCloudNode, fmt.Sprintf(
		"The configured destination %s is a port of cloud node %s. If it is a NodePort, an apiserver on that node cannot use it; leave the destination empty to route to CloudCore itself.",
		dst, name)}}
}
