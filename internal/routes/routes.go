// Package routes decides where requests to edge nodes go. It is pure: what the
// cluster holds comes in as values, and routes, targets and findings go out as
// values. The same input gives the same output whatever happened before, so a
// restart, a lost leader or a missed event cannot leave a different result.
package routes

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// Node is what routing needs of a Kubernetes Node.
type Node struct {
	// Name and UID of the Node.
	Name, UID string
	// Created is the Node's creationTimestamp.
	Created time.Time
	// Edge says that the Node has the edge label.
	Edge bool
	// ExpectedBy names the enrollment for which the Node waits for its device. Such a
	// Node has no route yet, and that is no finding.
	ExpectedBy string
	// Addresses of the Node as it reports them, in its order: InternalIPs of an edge
	// node, every IP of a cloud node.
	Addresses []string
	// PodCIDRs that the Node was given.
	PodCIDRs []netip.Prefix
	// KubeletPort of the Node's status; KubeEdge puts the tunnel port of the
	// CloudCore that holds the node's tunnel there.
	KubeletPort int32
}

// CloudCore is one running CloudCore, ready or not.
type CloudCore struct {
	// Pod identifies it, for messages and for a stable order.
	Pod string
	// NodeName is the cloud node it runs on.
	NodeName string
	// Addresses of the pod, one per IP family.
	Addresses []netip.Addr
}

// Settings are the parameters of the proposal's edge-watcher table.
type Settings struct {
	// LogPort and MetricsPort are requested on edge addresses by the apiserver and
	// by scrapers.
	LogPort, MetricsPort int32
	// StreamPort is CloudStream's port at a CloudCore's own address.
	StreamPort int32
	// Destination, when valid, takes all log and metrics requests instead of the
	// CloudCore that holds the node's tunnel.
	Destination netip.AddrPort
}

// Input is everything the decision depends on.
type Input struct {
	Nodes      []Node
	CloudCores []CloudCore
	Record     Record
	// ServiceCIDRs of the cluster.
	ServiceCIDRs []netip.Prefix
	// Reservations of addresses for node names, made by accepted enrollments.
	Reservations map[netip.Addr]string
	// Enrolled are the names of devices that a certificate or a token was given out for,
	// with the addresses of those enrollments. Other addresses of theirs are not routed.
	Enrolled map[string][]netip.Addr
	// Reported are the addresses that cloud nodes' own kernels have, by node.
	Reported map[string][]netip.Addr
	// Retired are the names among Enrolled whose node was retired. A retired device that
	// comes back gets an address only when nobody else claims it.
	Retired  map[string]bool
	Settings Settings
}

// IsCloud says that a Node is a cloud node: one without the edge label, and without an
// enrollment. A device takes part in writing its own Node and may leave the label
// out; what it then reports must be believed no more than before.
func (in *Input) IsCloud(node *Node) bool {
	_, enrolled := in.Enrolled[node.Name]
	return !node.Edge && !enrolled
}

// NodeRoutes are the routes of one edge node, at most one per IP family.
type NodeRoutes struct {
	Node   string
	Routes []v1alpha1.EdgeRoute
}

// Plan is the decision.
type Plan struct {
	// Targets in order of ID.
	Targets []v1alpha1.EdgeRouteTarget
	// Routes in order of node name. A node without a usable address has no entry.
	Routes []NodeRoutes
	// Findings by edge node name: one for every edge node.
	Findings map[string]Finding
	// Notes concern the cluster rather than one node.
	Notes []Note
}

// Compute decides the routes of all edge nodes. The routes share one list of ports,
// which must not be written to.
func Compute(in Input) Plan {
	facts := newFacts(in)
	targets := newTargets(in, facts)
	claims := newClaims(in, facts)

	plan := Plan{
		Targets:  targets.list,
		Findings: make(map[string]Finding, len(in.Nodes)),
		Notes:    slices.Concat(targets.notes, destinationNotes(in, facts)),
	}
	ports := requestPorts(in.Settings)
	for i := range in.Nodes {
		node := &in.Nodes[i]
		if !node.Edge || node.ExpectedBy != "" {
			continue
		}
		routes, finding := routeNode(node, ports, targets, claims)
		plan.Findings[node.Name] = finding
		if len(routes) > 0 {
			plan.Routes = append(plan.Routes, NodeRoutes{Node: node.Name, Routes: routes})
		}
	}
	slices.SortFunc(plan.Routes, func(a, b NodeRoutes) int { return strings.Compare(a.Node, b.Node) })
	return plan
}

// routeNode routes the addresses that a node holds and says how it fares. A
// route without a working target is kept: the operators then refuse the
// connection, where without a route it would go to whoever owns the address.
func routeNode(node *Node, ports []int32, targets *targets, claims *claims) ([]v1alpha1.EdgeRoute, Finding) {
	target := targets.forPort(node.KubeletPort)
	own := claims.ofNode(node)
	routes := make([]v1alpha1.EdgeRoute, 0, len(own))
	findings := make([]Finding, 0, len(own))
	for _, claim := range own {
		finding := claim.finding
		if finding.Routed {
			routes = append(routes, v1alpha1.EdgeRoute{
				Node:    node.Name,
				Address: claim.addr.String(),
				Ports:   ports,
				Target:  target,
			})
			finding = targets.check(target, claim, finding)
		}
		findings = append(findings, finding)
	}
	return routes, combine(findings)
}

// requestPorts are the ports that follow a node's tunnel, ascending and distinct.
func requestPorts(s Settings) []int32 {
	ports := []int32{s.LogPort, s.MetricsPort}
	slices.Sort(ports)
	return slices.Compact(ports)
}
