// Package collect takes samples of nodes through package figures, of every node on its
// own: one that is slow or dead delays no other.
//
// A node is sampled while somebody is interested in it, and in every case when the
// collector is told to.
package collect
