package device

import (
	"context"
	"fmt"
	"io"

	"github.com/edgeway-io/edgeway/internal/edge/console"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// grant is what makes the device a node, and how it was got.
type grant struct {
	*wire.RedeemResponse
	how string
}

// origin is where a join comes from: a console, or a bundle that was carried here.
type origin interface {
	// lookup tells who the device will be. It uses nothing up.
	lookup(ctx context.Context) (*wire.Lookup, error)
	// key is the node's private key; nil when the device makes it.
	key() []byte
	// certificate gets one for the request, which is empty for a key of the origin's own.
	certificate(ctx context.Context, nodeName string, csrPEM []byte) (*grant, error)
	// edgeCore writes EdgeCore's binary to w.
	edgeCore(ctx context.Context, r *joining, w io.Writer) error
	// images lists archives of container images to import.
	images() []string
	// report tells whoever follows the join why it failed.
	report(ctx context.Context, why wire.ReportRequest) error
	// arrive waits for the node, completes the join, and fails when it must be undone.
	arrive(ctx context.Context, r *joining) error
}

func (o JoinOptions) origin() (origin, error) {
	if o.Bundle != nil {
		return &bundleOrigin{bundle: o.Bundle}, nil
	}
	client, err := console.New(o.Server, o.Pin)
	if err != nil {
		return nil, err
	}
	return &consoleOrigin{client: client, code: o.Code}, nil
}

func (o *consoleOrigin) report(ctx context.Context, why wire.ReportRequest) error {
	why.Code = o.code
	return o.client.Report(ctx, why)
}

type consoleOrigin struct {
	client *console.Client
	code   string
	// download is known once the code is redeemed.
	download *wire.Download
}

func (o *consoleOrigin) lookup(ctx context.Context) (*wire.Lookup, error) {
	return o.client.Lookup(ctx, o.code)
}

func (o *consoleOrigin) key() []byte { return nil }

func (o *consoleOrigin) certificate(ctx context.Context, _ string, csrPEM []byte) (*grant, error) {
	response, err := o.client.Redeem(ctx, o.code, csrPEM)
	if err != nil {
		return nil, err
	}
	o.download = response.EdgeCore
	return &grant{response, "the join code was accepted"}, nil
}

// errNoEdgeCore is wrapped when there is no EdgeCore to install.
var errNoEdgeCore = errcat.New("NoEdgeCore", "there is no EdgeCore to install")

func (o *consoleOrigin) edgeCore(ctx context.Context, r *joining, w io.Writer) error {
	if o.download == nil {
		return fmt.Errorf("%w: the console has none for %s; give one with --edgecore, or put edgecore-%s into the console's artifact directory",
			errNoEdgeCore, r.Arch, r.Arch)
	}
	r.say("fetching EdgeCore")
	return o.client.Download(ctx, o.download.URL, o.download.SHA256, w)
}

// images: a device that reaches the console is expected to reach a registry.
func (o *consoleOrigin) images() []string { return nil }
