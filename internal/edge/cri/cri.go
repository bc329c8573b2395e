// Package cri speaks to the device's container runtime over its CRI socket.
package cri

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// DefaultEndpoint is containerd's.
const DefaultEndpoint = "unix:///run/containerd/containerd.sock"

const (
	callTimeout = 10 * time.Second
)

// Client of one runtime.
type Client struct {
	conn    *grpc.ClientConn
	runtime cri.RuntimeServiceClient
	// socket is the endpoint's file.
	socket string
}

// Dial makes a client; it connects with the first call. endpoint is
// unix:///path/to/socket, empty for containerd's.
func Dial(endpoint string) (*Client, error) {
	if endpoint == "" {
		endpoint = DefaultEndpoint
	}
	if !strings.HasPrefix(endpoint, "unix:///") {
		return nil, errcat.Errorf("RuntimeEndpoint", "container runtime endpoint %q: only unix:///path/to/socket is spoken", endpoint)
	}
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("connecting to the container runtime at %s: %w", endpoint, err)
	}
	return &Client{conn: conn, runtime: cri.NewRuntimeServiceClient(conn), socket: strings.TrimPrefix(endpoint, "unix://")}, nil
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
