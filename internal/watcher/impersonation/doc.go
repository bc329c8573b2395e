// Package impersonation lets CloudCore act for edge nodes and for nobody else. With
// CloudHub's authorization on, CloudCore writes what a node reports as the user
// system:node:NAME. RBAC has no patterns, so this controller keeps the names of the
// edge nodes, and of the devices that may join, in ClusterRoles of the chart.
//
// The roles hold nothing else: an admission policy of the chart refuses any other rule
// in them. The chart creates and binds the roles and never writes their rules.
package impersonation
