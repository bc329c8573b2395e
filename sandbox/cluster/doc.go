// Package cluster starts a real Kubernetes cluster on hosts of the sandbox: its
// certificates, control plane, kubelets, kube-proxies and what a cluster needs
// besides (pod network, metrics-server).
package cluster
