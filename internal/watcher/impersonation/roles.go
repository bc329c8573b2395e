package impersonation

import (
	"fmt"
	"hash/fnv"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

const (
	// Shards is the number of roles: the names of 100,000 nodes do not fit into one
	// object of etcd, and one node's change writes one role. The chart has the same number.
	Shards = 8
	// RolePrefix and a number below Shards make the name of a role.
	RolePrefix = "edgeway-cloudcore-nodes-"
	// userPrefix of a node's user (k8s.io/kubernetes, the Node authorizer).
	userPrefix = "system:node:"
)

func roleName(shard int) string { return fmt.Sprintf("%s%d", RolePrefix, shard) }

// shardOf spreads node names evenly and always in the same way.
func shardOf(node string) int {
	h := fnv.New32a()
	h.Write([]byte(node))
	return int(h.Sum32() % Shards)
}

// rules lets whoever is bound act as these nodes; nil for none, since a rule without
// names would allow every name.
func rules(nodes []string) []rbacv1.PolicyRule {
	if len(nodes) == 0 {
		return nil
	}
	users := make([]string, 0, len(nodes))
	for _, n := range nodes {
		users = append(users, userPrefix+n)
	}
	slices.Sort(users)
	return []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"users"}, Verbs: []string{"impersonate"},
		ResourceNames: slices.Compact(users),
	}}
}

// mayConnect says whether the device of an enrollment may be served before there is a
// Node of its name. A retired device is let in again once its enrollment is Active.
func mayConnect(e *v1alpha1.EdgeEnrollment) bool {
	if !e.DeletionTimestamp.IsZero() || e.Spec.State == v1alpha1.StateRevoked {
		return false
	}
	switch e.Status.Phase {
	case "", v1alpha1.PhaseRefused, v1alpha1.PhaseExpired:
		return false
	case v1alpha1.PhaseRetired:
		return e.Spec.State == v1alpha1.StateActive
	}
	return e.Spec.State != v1alpha1.StateRetired
}
