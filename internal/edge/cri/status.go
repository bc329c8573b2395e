package cri

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Conditions of a runtime.
const (
	RuntimeReady = "RuntimeReady"
	NetworkReady = "NetworkReady"
)

// Condition is what the runtime says of itself.
type Condition struct {
	True            bool
	Reason, Message string
}

// Status of a runtime.
type Status struct {
	Conditions map[string]Condition
	Config     Config
	// ConfigErr says why Config is empty though the runtime told something.
	ConfigErr error
}

// Status asks for the verbose status. A runtime that does not know the call, or
// leaves its configuration out, has an empty one.
func (c *Client) Status(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s := Status{Conditions: map[string]Condition{}}
	r, err := c.runtime.Status(ctx, &cri.StatusRequest{Verbose: true})
	if status.Code(err) == codes.Unimplemented {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("asking the container runtime for its status: %w", err)
	}
	for _, x := range r.GetStatus().GetConditions() {
		s.Conditions[x.GetType()] = Condition{True: x.GetStatus(), Reason: x.GetReason(), Message: x.GetMessage()}
	}
	if raw := r.GetInfo()["config"]; raw != "" {
		s.Config, s.ConfigErr = parseConfig(raw)
	}
	if s.Config.RootDir != "" || s.ConfigErr != nil {
		return s, nil
	}
	// CRI-O's status leaves out what its information service tells.
	if name, _, _, err := c.Version(ctx); err == nil && strings.EqualFold(name, "cri-o") {
		s.Config, s.ConfigErr = c.crioInfo(ctx)
	}
	return s, nil
}

// NoCRI tells whether a runtime answered that it does not know CRI.
func NoCRI(err error) bool { return status.Code(err) == codes.Unimplemented }

// Silent tells whether nothing answers at the runtime's socket.
func Silent(err error) bool {
	return status.Code(err) == codes.Unavailable || status.Code(err) == codes.DeadlineExceeded
}

// CgroupDriver is Cgroupfs or Systemd, or empty when the runtime does not tell. Since
// Kubernetes 1.28 CRI has a call for it; an older containerd tells it in its verbose
// status, an older CRI-O in its information service.
func (c *Client) CgroupDriver(ctx context.Context) (string, error) {
	callCtx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := c.runtime.RuntimeConfig(callCtx, &cri.RuntimeConfigRequest{})
	if err == nil && r.GetLinux() != nil {
		if r.GetLinux().GetCgroupDriver() == cri.CgroupDriver_SYSTEMD {
			return Systemd, nil
		}
		return Cgroupfs, nil
	}
	if err != nil && status.Code(err) != codes.Unimplemented {
		return "", fmt.Errorf("asking the container runtime for its cgroup driver: %w", err)
	}
	s, err := c.Status(ctx)
	if err != nil {
		return "", err
	}
	return s.Config.CgroupDriver, s.ConfigErr
}

// maxInfo bounds the answer of CRI-O's information service in bytes.
const maxInfo = 1 << 20

// crioInfo asks the HTTP service that CRI-O serves on the same socket.
func (c *Client) crioInfo(ctx context.Context) (Config, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", c.socket)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://crio/info", nil)
	if err != nil {
		return Config{}, fmt.Errorf("asking CRI-O for its configuration: %w", err)
	}
	res, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return Config{}, fmt.Errorf("asking CRI-O for its configuration: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxInfo))
	if err != nil || res.StatusCode != http.StatusOK {
		return Config{}, fmt.Errorf("asking CRI-O for its configuration: it answered %s: %w", res.Status, err)
	}
	return parseCRIO(raw)
}
