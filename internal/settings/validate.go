package settings

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Validate returns everything that is wrong with s, alone and on the cluster
// that the facts describe. Fields come in the order of the settings.
func (s Settings) Validate(facts ClusterFacts) []Problem {
	s = s.Complete()
	var out []Problem
	for _, check := range []func(Settings, ClusterFacts) []Problem{
		checkServiceType, checkHA, checkAddresses, checkNodeLimit, checkAuthorization, checkServices,
		checkPorts, checkPortCollisions, checkNodePorts,
		checkEdgeWatcher, checkStreamGuard, checkBackend, checkVersion, checkImages, checkPods,
	} {
		out = append(out, check(s, facts)...)
	}
	return out
}

func checkServiceType(s Settings, _ ClusterFacts) []Problem {
	if s.ServiceType == NodePort || s.ServiceType == LoadBalancer {
		return nil
	}
	return []Problem{refuse("serviceType", s.ServiceType, "UnknownServiceType",
		"CloudCore is exposed by NodePort or LoadBalancer", "choose NodePort or LoadBalancer")}
}

// checkHA warns where a second replica protects against nothing.
func checkHA(s Settings, f ClusterFacts) []Problem {
	if !s.HA || len(f.Nodes) == 0 {
		return nil
	}
	usable := 0
	for _, n := range f.cloudNodes() {
		if !n.Unschedulable {
			usable++
		}
	}
	if usable >= 2 {
		return nil
	}
	return []Problem{warning("ha", s.HA, "HAOnOneNode",
		fmt.Sprintf("there are %d cloud nodes to run on, so both replicas fail together", usable),
		"add a cloud node, or turn ha off")}
}

func checkNodeLimit(s Settings, _ ClusterFacts) []Problem {
	const field = "cloudHub.nodeLimit"
	if n := s.CloudHub.NodeLimit; n < 1 || n > 100000 {
		return []Problem{refuse(field, n, "OutOfRange", "not between 1 and 100000", "set the number of edge nodes that you expect, such as 100")}
	}
	return nil
}

// checkServices refuses combinations that leave edge nodes no way in and warns
// of those that take something away.
func checkServices(s Settings, _ ClusterFacts) []Problem {
	var out []Problem
	if !s.CloudHub.WebSocket.Enable && !s.CloudHub.QUIC.Enable {
		out = append(out, refuse("cloudHub.webSocket.enable", false, "NoWayIn",
			"WebSocket and QUIC are both off, so no edge node can connect", "turn cloudHub.webSocket or cloudHub.quic on"))
	}
	if s.CloudHub.QUIC.Enable {
		out = append(out, warning("cloudHub.quic.enable", true, "QUICPastGate",
			"the gate before CloudHub has no QUIC: over QUIC the certificate of one edge node writes in the name of any other, disconnects it, and is not cut when it is revoked",
			"turn cloudHub.quic off and let edge nodes connect over WebSocket"))
	}
	if !s.CloudHub.HTTPS.Enable {
		out = append(out, warning("cloudHub.https.enable", false, "JoiningDisabled",
			"without HTTPS CloudCore hands out no certificates: no edge node can join, and joined ones cannot renew",
			"turn cloudHub.https on"))
	}
	if !s.CloudStream.Enable {
		out = append(out, warning("cloudStream.enable", false, "NoLogsAndMetrics",
			"without CloudStream there are no logs, shells and metrics of edge nodes", "turn cloudStream on"))
		if s.EdgeWatcher.DestinationAddress != "" {
			out = append(out, refuse("edgeWatcher.destinationAddress", s.EdgeWatcher.DestinationAddress, "StreamOff",
				"requests are to be sent to a CloudStream that is off", "turn cloudStream on, or clear the address"))
		}
	}
	return out
}

// checkPorts is the range of every port, mapped ones included.
func checkPorts(s Settings, _ ClusterFacts) []Problem {
	var out []Problem
	inRange := func(field string, port int) {
		if port < 1 || port > 65535 {
			out = append(out, refuse(field, port, "OutOfRange", "not a port between 1 and 65535", "choose a port between 1 and 65535, or 0 for the default"))
		}
	}
	for _, p := range s.portFields() {
		inRange(p.field, *p.port)
		if p.external != nil && *p.external != 0 {
			inRange(externalField(p.field), *p.external)
		}
	}
	return out
}

// externalField is the field of the mapped number beside a port's field.
func externalField(field string) string {
	if head, ok := strings.CutSuffix(field, "tunnelPort"); ok {
		return head + "tunnelExternalPort"
	}
	return strings.TrimSuffix(field, "port") + "externalPort"
}

// checkPortCollisions compares enabled services with each other, inside and
// as mapped outside. TCP and UDP do not collide.
func checkPortCollisions(s Settings, _ ClusterFacts) []Problem {
	var out []Problem
	inside, outside := map[string]string{}, map[string]string{}
	claim := func(taken map[string]string, port int, protocol, field string) {
		key := strconv.Itoa(port) + "/" + protocol
		if first, ok := taken[key]; ok {
			out = append(out, refuse(field, port, "PortCollision",
				fmt.Sprintf("port %s is also that of %s", key, first), "give each service a port of its own"))
			return
		}
		taken[key] = field
	}
	for _, p := range s.Ports() {
		if !p.Enabled {
			continue
		}
		// The stream Service has an address of its own in LoadBalancer mode, but
		// one number for two services would still mislead whoever opens a firewall.
		claim(inside, p.Port, p.Protocol, p.Field)
		if p.FromEdge && p.External != p.Port {
			claim(outside, p.External, p.Protocol, externalField(p.Field))
		} else if p.FromEdge {
			claim(outside, p.Port, p.Protocol, p.Field)
		}
	}
	return dedupe(out)
}

// dedupe keeps the first problem of each field.
func dedupe(in []Problem) []Problem {
	seen := map[string]bool{}
	var out []Problem
	for _, p := range in {
		if !seen[p.Field] {
			seen[p.Field] = true
			out = append(out, p)
		}
	}
	return out
}

// checkNodePorts compares with the apiserver's range and with other Services.
func checkNodePorts(s Settings, f ClusterFacts) []Problem {
	used := map[string]string{}
	for _, u := range f.UsedNodePorts {
		used[strconv.Itoa(u.Port)+"/"+u.Protocol] = u.Service
	}
	var out []Problem
	for _, p := range s.NodePorts() {
		if service, ok := used[strconv.Itoa(p.Port)+"/"+p.Protocol]; ok {
			out = append(out, refuse(p.Field, p.Port, "NodePortTaken",
				"Service "+service+" has this NodePort", "choose another port, or change that Service"))
			continue
		}
		if f.NodePortMax != 0 && (p.Port < f.NodePortMin || p.Port > f.NodePortMax) {
			out = append(out, refuse(p.Field, p.Port, "OutsideNodePortRange",
				fmt.Sprintf("the cluster's NodePorts lie between %d and %d", f.NodePortMin, f.NodePortMax),
				"choose a port in that range"))
			continue
		}
		if reason, ok := f.RefusedNodePorts[p.Port]; ok {
			out = append(out, refuse(p.Field, p.Port, "NodePortRefused", "the cluster refuses this NodePort: "+reason, "choose another port"))
		}
	}
	return out
}

func checkEdgeWatcher(s Settings, f ClusterFacts) []Problem {
	w := s.EdgeWatcher
	out := checkDestination(w, f)
	for field, port := range map[string]int{"edgeWatcher.logPort": w.LogPort, "edgeWatcher.metricsPort": w.MetricsPort} {
		if port < 1 || port > 65535 {
			out = append(out, refuse(field, port, "OutOfRange", "not a port between 1 and 65535", "use 10350 for logs and 10250 for metrics"))
		}
	}
	for i, cidr := range w.ServiceCIDRs {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			out = append(out, refuse(fmt.Sprintf("edgeWatcher.serviceCIDRs[%d]", i), cidr, "NotANetwork", "not a network in CIDR form", "write it as 10.96.0.0/12"))
		}
	}
	return sortProblems(append(out, checkPrometheus(w.PrometheusURL)...))
}

// checkPrometheus refuses credentials: every authenticated user may read the settings that
// are in force.
func checkPrometheus(address string) []Problem {
	if address == "" {
		return nil
	}
	const field = "edgeWatcher.prometheusURL"
	switch u, err := url.Parse(address); {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || !printable(address):
		return []Problem{refuse(field, address, "NotAURL", "not the http or https URL of a Prometheus", "write it as http://prometheus.monitoring.svc:9090, or leave it empty")}
	case u.User != nil:
		return []Problem{refuse(field, u.Redacted(), "HasCredentials", "must not contain a user name or password: everybody who is signed in to the cluster may read the settings",
			"leave them out and put them into Secret kubeedge/edgeway-prometheus, under the keys username and password, or token")}
	}
	return nil
}

func checkDestination(w EdgeWatcher, f ClusterFacts) []Problem {
	var out []Problem
	if w.DestinationAddress != "" {
		addr, err := netip.ParseAddr(w.DestinationAddress)
		switch {
		case err != nil:
			out = append(out, refuse("edgeWatcher.destinationAddress", w.DestinationAddress, "NotAnAddress",
				"the kernel sends requests to an IP address", "give an IPv4 or IPv6 address, or leave it empty"))
		case unusable(addr) != "":
			out = append(out, refuse("edgeWatcher.destinationAddress", w.DestinationAddress, "UnusableAddress",
				unusable(addr), "give the address of a node, or leave it empty"))
		default:
			out = append(out, destinationOnNode(addr, f)...)
		}
	}
	if p := w.DestinationPort; p < 0 || p > 65535 || (p == 0 && w.DestinationAddress != "") {
		out = append(out, refuse("edgeWatcher.destinationPort", p, "OutOfRange", "not a port between 1 and 65535", "use the stream port, 31003 by default"))
	}
	return out
}

// destinationOnNode warns when the destination is a cloud node: processes on
// that very node, such as its apiserver, cannot be redirected to its NodePort,
// because the kernel translates a destination only once.
func destinationOnNode(addr netip.Addr, f ClusterFacts) []Problem {
	for _, n := range f.cloudNodes() {
		for _, ip := range append(append([]string{}, n.InternalIPs...), n.ExternalIPs...) {
			if a, err := netip.ParseAddr(ip); err == nil && a.Unmap() == addr.Unmap() {
				return []Problem{warning("edgeWatcher.destinationAddress", addr.String(), "DestinationIsNode",
					"requests from node "+n.Name+" itself do not arrive at its own NodePort",
					"leave the address empty, so that requests go to CloudCore's own address")}
			}
		}
	}
	return nil
}

// printable ASCII is what a URL consists of; the rest is written with percent signs.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}
