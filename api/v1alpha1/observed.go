package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

const (
	// AnnotationUninstall with the value "true" on EdgeRouteTargets asks every
	// iptables-operator to remove all that it put into its kernel.
	AnnotationUninstall = Group + "/uninstall"
	// AnnotationUninstallOf beside it is the UID of the DaemonSet that was uninstalled.
	// The mark of another one is out of date, and edge-watcher takes it away.
	AnnotationUninstallOf = Group + "/uninstall-of"
	// AnnotationChangedAt on a route object is when the cause of its last change was
	// seen, in RFC 3339 with nanoseconds; operators measure their lag from it.
	AnnotationChangedAt = Group + "/changed-at"
)

// Types of the conditions of CloudNodeRoutes.
const (
	// ConditionApplied is True when the kernel holds the routes.
	ConditionApplied = "Applied"
	// ConditionGuarded is True when CloudStream's port is guarded on this node.
	ConditionGuarded = "Guarded"
	// ConditionNoRoute is True when the kernel has no route, not even a default one,
	// to some edge address: it then refuses connections before it redirects them.
	ConditionNoRoute = "NoRoute"
	// ConditionForeignRules is True when the kernel holds old rules of other tools
	// that redirect connections to edge nodes.
	ConditionForeignRules = "ForeignRules"
)

// ObservedHash identifies route objects for CloudNodeRoutes.status.observedHash,
// given the generation of every one by name.
func ObservedHash(generations map[string]int64) string {
	names := make([]string, 0, len(generations))
	for name := range generations {
		names = append(names, name)
	}
	slices.Sort(names)
	sum := sha256.New()
	for _, name := range names {
		fmt.Fprintf(sum, "%s %d\n", name, generations[name])
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Types of the conditions of EdgeRouteTargets. They are problems of the cluster;
// others than these are the reasons of package routes' notes.
const (
	// ConditionControlPlaneElsewhere: kube-apiserver runs on no cloud node that has an
	// operator, so that nothing redirects its requests.
	ConditionControlPlaneElsewhere = "ControlPlaneElsewhere"
	// ConditionPodPathBypassed: the pod network forwards packets past netfilter, where
	// neither routes nor the stream guard see them.
	ConditionPodPathBypassed = "PodPathBypassed"
	// ConditionReportUnusable: the CloudNodeRoutes of a cloud node cannot be read, or names
	// what is no address. All other reports count.
	ConditionReportUnusable = "ReportUnusable"
	// ConditionOperatorMissing: cloud nodes have no running operator. What their
	// CloudNodeRoutes say is from the past.
	ConditionOperatorMissing = "OperatorMissing"
)

// ReasonRemoved is the reason of ConditionApplied after an uninstall.
const ReasonRemoved = "Removed"
