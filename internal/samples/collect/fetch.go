package collect

import (
	"context"
	"errors"
	"net"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/edgeway-io/edgeway/internal/figures"
	"github.com/edgeway-io/edgeway/internal/samples"
	"github.com/edgeway-io/edgeway/internal/samples/kubelet"
)

// Fetcher reads a node's figures.
type Fetcher interface {
	Fetch(ctx context.Context, node string) (kubelet.Reading, error)
}

// Source answers what a node's kubelet answers to a path.
type Source interface {
	Get(ctx context.Context, node, path string) ([]byte, error)
}

// Kubelets reads figures from a Source.
type Kubelets struct{ source Source }

// NewKubelets makes a Fetcher.
func NewKubelets(s Source) *Kubelets { return &Kubelets{source: s} }

// Fetch reads summary and cAdvisor's figures. Without the latter the reading lacks
// disk I/O, which is no reason to have none.
func (k *Kubelets) Fetch(ctx context.Context, node string) (kubelet.Reading, error) {
	summary, err := k.source.Get(ctx, node, "stats/summary")
	if err != nil {
		return kubelet.Reading{}, err
	}
	var disk *kubelet.CAdvisor
	if text, err := k.source.Get(ctx, node, "metrics/cadvisor"); err == nil {
		if disk, err = kubelet.ParseCAdvisor(text); err != nil {
			disk = nil
		}
	}
	return kubelet.Parse(summary, disk, node)
}

// causeOf tells failures apart that have different remedies.
func causeOf(err error) string {
	var netErr net.Error
	switch {
	case errors.Is(err, kubelet.ErrBadAnswer), errors.Is(err, figures.ErrTooLong):
		return samples.CauseBadAnswer
	case errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err),
		errors.As(err, &netErr) && netErr.Timeout():
		return samples.CauseTimeout
	case apierrors.IsNotFound(err):
		return samples.CauseNotFound
	case errors.Is(err, figures.ErrUnreachable), apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err):
		return samples.CauseUnreachable
	case errors.As(err, &netErr): // refused, cut off, or not who it should be
		return samples.CauseUnreachable
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Code >= 500 {
		return samples.CauseUnreachable
	}
	return samples.CauseFailed
}
