// Package observe reads nodes, pods, events, logs and live metrics through the
// Kubernetes API with the rights of whoever the given clients act for.
//
// Everything an edge node cannot tell us right now is reported as unavailable
// together with its cause; nothing is ever reported as zero for want of a value.
package observe
