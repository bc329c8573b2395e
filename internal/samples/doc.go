// Package samples describes measured figures of nodes, pods and containers, and
// keeps the most recent ones in memory.
//
// A figure that a node did not report is absent and listed with its cause; nothing
// is ever reported as zero for want of a value. Which field comes from where is in
// docs/metrics.md; the collecting is in package collect, the serving in serve.
package samples
