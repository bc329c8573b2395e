// Package kube is what the stand-in asks of Kubernetes with its own rights.
package kube

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
)

// Cluster asks a cluster's API.
type Cluster struct {
	core typed.CoreV1Interface
}

// New makes a Cluster.
func New(core typed.CoreV1Interface) *Cluster { return &Cluster{core: core} }

// NodeOf gives the name of the node that a pod was bound to.
func (c *Cluster) NodeOf(ctx context.Context, namespace, pod string) (string, error) {
	p, err := c.core.Pods(namespace).Get(ctx, pod, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("find the node of pod %s/%s: %w", namespace, pod, err)
	}
	return p.Spec.NodeName, nil
}

// KubeletPort gives the kubelet port in a Node's status.
func (c *Cluster) KubeletPort(ctx context.Context, node string) (int, error) {
	n, err := c.core.Nodes().Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return 0, fmt.Errorf("read Node %s: %w", node, err)
	}
	return int(n.Status.DaemonEndpoints.KubeletEndpoint.Port), nil
}

// SetKubeletPort writes the kubelet port into a Node's status and nothing else.
func (c *Cluster) SetKubeletPort(ctx context.Context, node string, port int) error {
	patch := fmt.Appendf(nil, `{"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":%d}}}}`, port)
	_, err := c.core.Nodes().Patch(ctx, node, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		return fmt.Errorf("set kubelet port %d of Node %s: %w", port, node, err)
	}
	return nil
}
