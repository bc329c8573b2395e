// Package collect takes samples of nodes through the apiserver's node proxy, of
// every node on its own: one that is slow or dead delays no other.
//
// A node is sampled while somebody is interested in it, and in every case when the
// collector is told to. The right that this takes, get on nodes/proxy, is as good as
// exec on the node; people do not have it, edge-watcher does.
package collect
