// Package operator is iptables-operator: it runs on every cloud node, in the
// host's network namespace, and keeps the kernel's routes to edge nodes equal to
// the API's EdgeRouteSlices and EdgeRouteTargets.
//
// One goroutine owns the model and the kernel (loop.go). It is fed by reflectors
// that keep no objects (watch.go, feed.go), and feeds the purge of connection tracking (purge.go) and the report
// in CloudNodeRoutes (status.go). When it ends, the kernel keeps what it holds.
package operator
