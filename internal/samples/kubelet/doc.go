// Package kubelet reads what a kubelet says about its node: /stats/summary, and
// from /metrics/cadvisor what the summary lacks. It does no I/O.
package kubelet
