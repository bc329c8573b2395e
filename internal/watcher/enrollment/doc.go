// Package enrollment is edge-watcher's controller for EdgeEnrollments. It alone
// decides who gets which name and address, signs a joining device's one
// certificate with KubeEdge's CA, follows the node until a log line and its
// metrics were really read, and takes nodes out of the cluster again.
//
// People and the console act on an enrollment's spec; this controller acts on
// Nodes, and on edge Nodes only. So an edge operator needs no right on Nodes.
package enrollment
