package routes

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// ClusterFacts are what the cluster's own condition is judged by.
type ClusterFacts struct {
	// APIServers are the addresses at which kube-apiserver says it listens.
	APIServers []netip.Addr
	// Reported are the addresses that the operator of a cloud node reports, by node.
	Reported map[string][]netip.Addr
	// Unusable says of a cloud node what is wrong with its operator's report.
	Unusable map[string]string
	// Running says of every node that an operator is scheduled to whether it is ready.
	Running map[string]bool
	// Cilium is the configuration of Cilium's agent; nil when Cilium is not there.
	Cilium map[string]string
}

// ClusterNotes judge the cluster: what keeps requests from any edge node.
func ClusterNotes(f ClusterFacts) []Note {
	var notes []Note
	for _, check := range []func(ClusterFacts) (Note, bool){controlPlaneElsewhere, operatorMissing, podPathBypassed, reportUnusable} {
		if note, found := check(f); found {
			notes = append(notes, note)
		}
	}
	return notes
}

// controlPlaneElsewhere finds API servers whose requests no operator can redirect.
func controlPlaneElsewhere(f ClusterFacts) (Note, bool) {
	covered := map[netip.Addr]bool{}
	for _, addrs := range f.Reported {
		for _, addr := range addrs {
			covered[addr] = true
		}
	}
	var elsewhere []string
	for _, addr := range f.APIServers {
		if !covered[addr] {
			elsewhere = append(elsewhere, addr.String())
		}
	}
	if len(elsewhere) == 0 {
		return Note{}, false
	}
	return Note{v1alpha1.ConditionControlPlaneElsewhere, fmt.Sprintf(
		"kube-apiserver at %s runs on no cloud node with an iptables-operator: its requests for logs, exec and node metrics are not redirected. "+
			"Let the DaemonSet iptables-operator run on the control plane's nodes (pods.iptablesOperator.tolerations and nodeSelector); "+
			"a hosted control plane has to reach nodes through konnectivity-agent.", nameSome(elsewhere))}, true
}

// operatorMissing finds nodes whose operator is dead, or was never ready.
func operatorMissing(f ClusterFacts) (Note, bool) {
	var dead []string
	for node := range f.Reported {
		if !f.Running[node] {
			dead = append(dead, node)
		}
	}
	for node, ready := range f.Running {
		if _, reported := f.Reported[node]; !ready && !reported {
			dead = append(dead, node)
		}
	}
	if len(dead) == 0 {
		return Note{}, false
	}
	slices.Sort(dead)
	return Note{v1alpha1.ConditionOperatorMissing, fmt.Sprintf(
		"No iptables-operator is ready on cloud node %s: its kernel keeps the last routes and follows no change, and its CloudNodeRoutes is out of date. "+
			"Look at the pods of DaemonSet kubeedge/iptables-operator.", nameSome(dead))}, true
}

// podPathBypassed reads from Cilium's configuration whether its programs forward the
// packets of pods themselves (BPF host routing). Cilium does so unless told otherwise,
// once it replaces kube-proxy and no iptables rule has to masquerade.
func podPathBypassed(f ClusterFacts) (Note, bool) {
	on := func(key string) bool { return f.Cilium[key] == "true" }
	replaces := on("kube-proxy-replacement") || f.Cilium["kube-proxy-replacement"] == "strict"
	masquerades := on("enable-bpf-masquerade") || f.Cilium["enable-ipv4-masquerade"] == "false"
	if on("enable-host-legacy-routing") || !replaces || !masquerades {
		return Note{}, false
	}
	return Note{v1alpha1.ConditionPodPathBypassed,
		"Cilium's BPF host routing forwards the packets of pods past netfilter: metrics-server and Prometheus in pods do not reach edge nodes, " +
			"and the stream guard does not see pods. Set Cilium's enable-host-legacy-routing to true (Helm value bpf.hostLegacyRouting)."}, true
}

// reportUnusable finds reports of cloud nodes that cannot be read, or only in part.
func reportUnusable(f ClusterFacts) (Note, bool) {
	if len(f.Unusable) == 0 {
		return Note{}, false
	}
	var parts []string
	for _, node := range slices.Sorted(maps.Keys(f.Unusable)) {
		parts = append(parts, UnusableReport(node, f.Unusable[node]))
	}
	const most = 3 // of messages, as of names in nameSome
	message := strings.Join(parts[:min(len(parts), most)], " ")
	if len(parts) > most {
		message += fmt.Sprintf(" So it is with %d more.", len(parts)-most)
	}
	return Note{v1alpha1.ConditionReportUnusable, message}, true
}

// UnusableReport is the message about one report.
func UnusableReport(node, why string) string {
	return fmt.Sprintf("CloudNodeRoutes %s cannot be used: %s. Addresses of this cloud node may be unknown. "+
		"Delete CloudNodeRoutes %s: the iptables-operator of that node writes it anew.", node, why, node)
}

// nameSome names up to three and counts the rest.
func nameSome(names []string) string {
	const most = 3
	list := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", list, len(names)-most)
	}
	return list
}

// MergeNotes makes one note of those with one reason, in order of reason, since a
// condition can be there once.
func MergeNotes(notes []Note) []Note {
	byReason := map[Reason]Note{}
	for _, note := range notes {
		merged, found := byReason[note.Reason]
		if !found {
			merged = note
		} else if !strings.Contains(merged.Message, note.Message) {
			merged.Message += " " + note.Message
		}
		byReason[note.Reason] = merged
	}
	var out []Note
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		out = append(out, byReason[reason])
	}
	return out
}
