package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/internal/samples"
	"github.com/edgeway-io/edgeway/internal/samples/kubelet"
)

// maxAnswer is more than 110 pods of a node ever take.
const maxAnswer = 32 << 20

// Fetcher reads a node's figures.
type Fetcher interface {
	Fetch(ctx context.Context, node string) (kubelet.Reading, error)
}

// Proxy reads through the apiserver's node proxy.
type Proxy struct{ core rest.Interface }

// NewProxy takes a client of the core API group.
func NewProxy(core rest.Interface) *Proxy { return &Proxy{core: core} }

// Fetch reads summary and cAdvisor's figures. Without the latter the reading lacks
// disk I/O, which is no reason to have none.
func (p *Proxy) Fetch(ctx context.Context, node string) (kubelet.Reading, error) {
	summary, err := p.get(ctx, node, "stats/summary")
	if err != nil {
		return kubelet.Reading{}, err
	}
	var disk *kubelet.CAdvisor
	if text, err := p.get(ctx, node, "metrics/cadvisor"); err == nil {
		if disk, err = kubelet.ParseCAdvisor(text); err != nil {
			disk = nil
		}
	}
	return kubelet.Parse(summary, disk, node)
}

func (p *Proxy) get(ctx context.Context, node, path string) ([]byte, error) {
	body, err := p.core.Get().Resource("nodes").Name(node).SubResource("proxy").Suffix(path).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s of node %s: %w", path, node, err)
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("%s of node %s: %w", path, node, err)
	}
	if len(data) > maxAnswer {
		return nil, fmt.Errorf("%w: %s of node %s is longer than %d bytes", kubelet.ErrBadAnswer, path, node, maxAnswer)
	}
	return data, nil
}

// causeOf tells failures apart that have different remedies.
func causeOf(err error) string {
	var netErr net.Error
	switch {
	case errors.Is(err, kubelet.ErrBadAnswer):
		return samples.CauseBadAnswer
	case errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err),
		errors.As(err, &netErr) && netErr.Timeout():
		return samples.CauseTimeout
	case apierrors.IsNotFound(err):
		return samples.CauseNotFound
	case apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err):
		return samples.CauseUnreachable
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Code >= 500 {
		return samples.CauseUnreachable
	}
	return samples.CauseFailed
}
