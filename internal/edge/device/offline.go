package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/internal/edge/sockets"
	"github.com/edgeway-io/edgeway/internal/enroll/bundle"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// bundleOrigin joins with what is in an offline bundle, and with CloudHub alone.
type bundleOrigin struct {
	bundle *bundle.Bundle
}

func (o *bundleOrigin) lookup(context.Context) (*wire.Lookup, error) { return &o.bundle.Lookup, nil }

// key is the one that the bundle's certificate was signed for.
func (o *bundleOrigin) key() []byte { return []byte(o.bundle.Key) }

func (o *bundleOrigin) certificate(_ context.Context, nodeName string, _ []byte) (*grant, error) {
	if now := time.Now(); now.After(o.bundle.Expires) {
		return nil, errcat.Errorf("BundleExpired", "the bundle expired at %s (this device's clock says %s): get a new bundle from the console",
			o.bundle.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return &grant{&wire.RedeemResponse{NodeName: nodeName, Certificate: o.bundle.Certificate, CA: o.bundle.CA,
		EdgeCoreConfig: o.bundle.EdgeCoreConfig, CloudCore: o.bundle.CloudCore}, "the bundle is in its time"}, nil
}

func (o *bundleOrigin) edgeCore(_ context.Context, _ *joining, w io.Writer) error {
	if o.bundle.EdgeCore == "" {
		return fmt.Errorf("%w: the bundle has none; give one with --edgecore", errNoEdgeCore)
	}
	return copyFile(o.bundle.EdgeCore, w)
}

// report: a device with a bundle does not reach the console.
func (o *bundleOrigin) report(context.Context, wire.ReportRequest) error { return nil }

func (o *bundleOrigin) images() []string { return o.bundle.Images }

// settled is how long EdgeCore must have been connected without a break. CloudHub
// closes the connection of a node that it does not want at once.
const settled = 5 * time.Second

// arrive waits until EdgeCore is connected to CloudHub: without the console a
// device cannot know more.
func (o *bundleOrigin) arrive(ctx context.Context, r *joining) error {
	r.say("waiting until EdgeCore is connected to CloudHub")
	deadline := time.Now().Add(r.Timeout)
	var since time.Time
	for {
		connected, err := o.connected(ctx, r)
		switch now := time.Now(); {
		case err != nil:
			return err
		case !connected && now.After(deadline):
			return r.tooLate(ctx, "EdgeCore is not connected to CloudHub")
		case !connected:
			since = time.Time{}
		case since.IsZero():
			since = now
		case now.Sub(since) >= settled:
			r.say("EdgeCore is connected; see in the console whether the node is Ready")
			return r.complete()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(r.Poll):
		}
	}
}

func (o *bundleOrigin) connected(ctx context.Context, r *joining) (bool, error) {
	running, err := r.service.Running(ctx)
	if err != nil || !running {
		return false, err
	}
	c := o.bundle.CloudCore
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", c.Host)
	if err != nil {
		return false, nil // told by the deadline, should it last
	}
	var ends []netip.AddrPort
	for _, ip := range ips {
		ends = append(ends, netip.AddrPortFrom(ip.Unmap(), uint16(c.WebSocketPort)))
	}
	return sockets.Connected(ends)
}

// images imports the bundle's archives, so that the first pods need no registry.
func (r *joining) images(ctx context.Context) error {
	archives := r.origin.images()
	if len(archives) == 0 {
		return nil
	}
	socket := strings.TrimPrefix(r.lookup.RuntimeEndpoint, "unix://")
	ctr, err := exec.LookPath("ctr")
	if err != nil {
		r.say("the bundle's images are not imported: containerd's ctr is not on this device; import %s yourself", filepath.Dir(archives[0]))
		return nil
	}
	args := []string{"--namespace", "k8s.io"}
	if socket != "" {
		args = append(args, "--address", socket)
	}
	for _, archive := range archives {
		r.say("importing %s", filepath.Base(archive))
		out, err := exec.CommandContext(ctx, ctr, append(args, "images", "import", archive)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("importing %s: %w", filepath.Base(archive), errors.Join(err, errors.New(strings.TrimSpace(string(out)))))
		}
	}
	return nil
}
