// Package v1alpha1 holds the API types of group edgeway.io.
//
// The route objects (EdgeRouteSlice, EdgeRouteTargets) are data: addresses,
// ports and IDs. What a kernel does with them is decided by iptables-operator
// alone, so whoever may write one of these objects still cannot inject a rule.
// Addresses are held to an address's characters by a pattern, because CEL knows
// IP addresses only from Kubernetes 1.30 on.
//
// +kubebuilder:object:generate=true
// +groupName=edgeway.io
package v1alpha1

//go:generate go tool -modfile=../../tools/go.mod controller-gen object paths=./... crd output:crd:dir=../../charts/kubeedge/crds
