// Package netrules is the kernel side of the routes to edge nodes.
//
// A Model takes the route objects of the API, one at a time, and knows at any
// moment what the kernel should hold (Rules and the members of its sets) and
// what changed since the kernel last held it (Moves). It does no I/O. A Backend,
// such as package nft, makes a kernel equal to a Model's Plan.
//
// The number of rules depends on the number of CloudCores and port groups only:
// edge addresses are members of sets, so one edge node more or less is a set
// element more or less.
package netrules
