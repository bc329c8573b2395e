// Package serve is the aggregated API samples.edgeway.io, which Kubernetes' own
// apiserver puts in front of edge-watcher: it says who asks, and this package asks
// back whether that user may see the same object's figures in metrics.k8s.io.
// Whoever may not is refused, and so is whoever comes past the apiserver.
package serve
