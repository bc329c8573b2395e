package cri

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	// stopTimeout for one pod; a pod's grace period is 30 s unless it asks for more.
	stopTimeout = 40 * time.Second
	// atOnce pods are removed at the same time.
	atOnce = 8
	// podUID is the label that a kubelet puts on every sandbox and container it makes.
	podUID = "io.kubernetes.pod.uid"
)

// Pod is a kubelet's pod that the runtime holds.
type Pod struct {
	Namespace, Name string
	// ID of its sandbox.
	ID string
}

// LeftPod is a pod that could not be removed, and why.
type LeftPod struct {
	Pod
	Err error
}

// Pods lists the pods that a kubelet made, and nothing else that runs there.
func (c *Client) Pods(ctx context.Context) ([]Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := c.runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return nil, fmt.Errorf("listing the pods of the container runtime: %w", err)
	}
	var pods []Pod
	for _, pod := range list.GetItems() {
		if pod.GetLabels()[podUID] != "" {
			pods = append(pods, Pod{Namespace: pod.GetMetadata().GetNamespace(), Name: pod.GetMetadata().GetName(), ID: pod.GetId()})
		}
	}
	return pods, nil
}

// RemovePods stops and removes the pods, each on its own: one that cannot be removed
// keeps no other, and at least its containers are ended.
func (c *Client) RemovePods(ctx context.Context, pods []Pod) []LeftPod {
	errs := make([]error, len(pods))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, pod := range pods {
		g.Go(func() error {
			errs[i] = c.removePod(ctx, pod.ID)
			return nil
		})
	}
	_ = g.Wait() // nothing above returns an error
	var left []LeftPod
	for i, err := range errs {
		if err != nil {
			left = append(left, LeftPod{pods[i], err})
		}
	}
	return left
}

func (c *Client) removePod(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if _, err := c.runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: id}); err != nil {
		// A sandbox whose network cannot be torn down stays; what ran in it must not.
		return errors.Join(fmt.Errorf("stopping: %w", err), c.removeContainers(context.WithoutCancel(ctx), id))
	}
	if _, err := c.runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
		return fmt.Errorf("removing: %w", err)
	}
	return nil
}

func (c *Client) removeContainers(ctx context.Context, pod string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := c.runtime.ListContainers(ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{PodSandboxId: pod}})
	if status.Code(err) == codes.Unimplemented {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing its containers: %w", err)
	}
	var errs []error
	for _, x := range list.GetContainers() {
		if _, err := c.runtime.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: x.GetId()}); err != nil {
			errs = append(errs, fmt.Errorf("stopping its container %s: %w", x.GetMetadata().GetName(), err))
			continue
		}
		if _, err := c.runtime.RemoveContainer(ctx, &cri.RemoveContainerRequest{ContainerId: x.GetId()}); err != nil {
			errs = append(errs, fmt.Errorf("removing its container %s: %w", x.GetMetadata().GetName(), err))
		}
	}
	return errors.Join(errs...)
}
