// Package cri speaks to the device's container runtime over its CRI socket.
package cri

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// DefaultEndpoint is containerd's.
const DefaultEndpoint = "unix:///run/containerd/containerd.sock"

const (
	callTimeout = 10 * time.Second
	stopTimeout = 40 * time.Second
	// podUID is the label that a kubelet puts on every pod sandbox it makes.
	podUID = "io.kubernetes.pod.uid"
)

// Client of one runtime.
type Client struct {
	conn    *grpc.ClientConn
	runtime cri.RuntimeServiceClient
}

// Dial makes a client; it connects with the first call. endpoint is
// unix:///path/to/socket, empty for containerd's.
func Dial(endpoint string) (*Client, error) {
	if endpoint == "" {
		endpoint = DefaultEndpoint
	}
	if !strings.HasPrefix(endpoint, "unix:///") {
		return nil, fmt.Errorf("container runtime endpoint %q: only unix:///path/to/socket is spoken", endpoint)
	}
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("connecting to the container runtime at %s: %w", endpoint, err)
	}
	return &Client{conn: conn, runtime: cri.NewRuntimeServiceClient(conn)}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Version is the runtime's name, its version and its CRI version.
func (c *Client) Version(ctx context.Context) (name, version, api string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	v, err := c.runtime.Version(ctx, &cri.VersionRequest{})
	if err != nil {
		return "", "", "", fmt.Errorf("asking the container runtime for its version: %w", err)
	}
	return v.GetRuntimeName(), v.GetRuntimeVersion(), v.GetRuntimeApiVersion(), nil
}

// CgroupDriver is "cgroupfs" or "systemd", or empty when the runtime is too old
// to tell.
func (c *Client) CgroupDriver(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := c.runtime.RuntimeConfig(ctx, &cri.RuntimeConfigRequest{})
	if status.Code(err) == codes.Unimplemented {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("asking the container runtime for its cgroup driver: %w", err)
	}
	if r.GetLinux().GetCgroupDriver() == cri.CgroupDriver_SYSTEMD {
		return "systemd", nil
	}
	return "cgroupfs", nil
}

// RemovePods stops and removes every pod that a kubelet made, and nothing else
// that runs there. It returns how many there were.
func (c *Client) RemovePods(ctx context.Context) (int, error) {
	listCtx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := c.runtime.ListPodSandbox(listCtx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return 0, fmt.Errorf("listing the pods of the container runtime: %w", err)
	}
	var errs []error
	removed := 0
	for _, pod := range list.GetItems() {
		if pod.GetLabels()[podUID] == "" {
			continue
		}
		if err := c.removePod(ctx, pod.GetId()); err != nil {
			errs = append(errs, fmt.Errorf("pod %s/%s: %w", pod.GetMetadata().GetNamespace(), pod.GetMetadata().GetName(), err))
			continue
		}
		removed++
	}
	return removed, errors.Join(errs...)
}

func (c *Client) removePod(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if _, err := c.runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: id}); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	if _, err := c.runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
		return fmt.Errorf("removing: %w", err)
	}
	return nil
}
