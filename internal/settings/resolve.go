package settings

import "sort"

// NodeFact is what matters of a Node.
type NodeFact struct {
	Name          string
	Edge          bool
	Unschedulable bool
	ExternalIPs   []string
	InternalIPs   []string
}

// UsedNodePort is a NodePort that some other Service has taken.
type UsedNodePort struct {
	Port     int
	Protocol string
	Service  string // namespace/name
}

// ClusterFacts is what validation has to know of the cluster. The zero value
// means nothing is known, and checks that need it are left out.
type ClusterFacts struct {
	Nodes         []NodeFact
	UsedNodePorts []UsedNodePort
	// NodePortMin and NodePortMax bound the apiserver's NodePort range; 0 when unknown.
	NodePortMin, NodePortMax int
	// RefusedNodePorts are NodePorts that the apiserver refused when asked, with its reason.
	RefusedNodePorts map[int]string
	// LoadBalancer holds the addresses of Service cloudcore in LoadBalancer mode.
	LoadBalancer []string
}

// cloudNodes in order of name.
func (f ClusterFacts) cloudNodes() []NodeFact {
	var out []NodeFact
	for _, n := range f.Nodes {
		if !n.Edge {
			out = append(out, n)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// EffectiveAddresses are those that edge nodes dial: the chosen ones, else the found ones.
func (s Settings) EffectiveAddresses() []string {
	if len(s.CloudHub.AdvertiseAddress) > 0 {
		return s.CloudHub.AdvertiseAddress
	}
	return s.Cluster.AdvertiseAddress
}

// Resolve fills Cluster.AdvertiseAddress from the facts when the user chose no
// address. A problem tells when there is none, or when it is probably not public.
func (s Settings) Resolve(f ClusterFacts) (Settings, []Problem) {
	s = s.Complete()
	if len(s.CloudHub.AdvertiseAddress) > 0 {
		s.Cluster.AdvertiseAddress = []string{}
		return s, nil
	}
	if s.ServiceType == LoadBalancer {
		if len(f.LoadBalancer) > 0 {
			s.Cluster.AdvertiseAddress = f.LoadBalancer
		}
		return s, nil
	}
	return s.resolveFromNodes(f)
}

func (s Settings) resolveFromNodes(f ClusterFacts) (Settings, []Problem) {
	const field = "cloudHub.advertiseAddress"
	nodes := f.cloudNodes()
	for _, n := range nodes {
		if len(n.ExternalIPs) > 0 {
			s.Cluster.AdvertiseAddress = n.ExternalIPs
			return s, nil
		}
	}
	for _, n := range nodes {
		if len(n.InternalIPs) > 0 {
			s.Cluster.AdvertiseAddress = n.InternalIPs
			return s, []Problem{warning(field, n.InternalIPs[0], "AddressNotPublic",
				"no node has an external address; the internal address of node "+n.Name+" is used",
				"set cloudHub.advertiseAddress to the address under which edge nodes reach this cluster")}
		}
	}
	return s, []Problem{refuse(field, nil, "AddressUnknown",
		"the cluster has no node with an address",
		"set cloudHub.advertiseAddress to the address under which edge nodes reach this cluster")}
}
