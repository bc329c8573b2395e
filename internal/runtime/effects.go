package runtime

import (
	"slices"
	"strings"
)

// effectRules say what a change under a path means. A path ends a field name or
// a prefix of it; every rule that matches counts.
var effectRules = []struct {
	prefixes []string
	effect   Effect
}{
	{
		[]string{"cloudHub.", "cloudStream.enable", "cluster.advertiseAddress", "dynamicController", "images.cloudcore", "images.streamGate", "images.registry", "pods.cloudcore."},
		Effect{"CloudCoreRestarts", "CloudCore restarts; edge nodes reconnect within seconds, and their pods keep running"},
	},
	{
		[]string{"cloudHub.advertiseAddress", "cluster.advertiseAddress"},
		Effect{"CertificateReissued", "CloudCore gets a new certificate for the new addresses"},
	},
	{
		[]string{"serviceType", "cloudHub.advertiseAddress", "cluster.advertiseAddress", "cloudHub.webSocket.", "cloudHub.https.", "cloudHub.quic.", "cloudStream.tunnel"},
		Effect{"EdgeNodesAddressed", "edge nodes that joined with the old address or port lose contact until their configuration is changed"},
	},
	{
		[]string{"serviceType", "cloudHub.webSocket.", "cloudHub.https.", "cloudHub.quic.", "cloudStream."},
		Effect{"FirewallChanges", "firewall and port mappings in front of the cluster have to follow"},
	},
	{
		[]string{"edgeWatcher.", "streamGuard.", "images.edgeWatcher", "images.registry", "pods.edgeWatcher."},
		Effect{"EdgeWatcherRestarts", "edge-watcher restarts; routes stay in force meanwhile"},
	},
	{
		[]string{"edgeWatcher.destination", "edgeWatcher.logPort", "edgeWatcher.metricsPort"},
		Effect{"RoutesMove", "open log streams and shells of edge nodes are cut once"},
	},
	{
		[]string{"iptablesOperator.", "images.iptablesOperator", "images.registry", "pods.iptablesOperator."},
		Effect{"OperatorsRollOut", "iptables-operator is replaced node by node; the rules stay in the kernel"},
	},
	{
		[]string{"ha"},
		Effect{"ReplicasChange", "the number of CloudCore replicas changes; edge nodes of a removed replica reconnect"},
	},
}

// effects of changes, in the order of the rules.
func effects(changes []Change, newChart bool) []Effect {
	out := []Effect{}
	if newChart {
		out = append(out, Effect{"ChartUpgraded", "everything is upgraded to this version of edgeway"})
	}
	for _, rule := range effectRules {
		hit := slices.ContainsFunc(changes, func(c Change) bool {
			return slices.ContainsFunc(rule.prefixes, func(p string) bool { return strings.HasPrefix(c.Field, p) })
		})
		if hit {
			out = append(out, rule.effect)
		}
	}
	return out
}
