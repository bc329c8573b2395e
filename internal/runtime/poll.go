package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// errTimeout means that a condition did not come true in time.
var errTimeout = errcat.New("NotReady", "timed out")

// poll looks until done, a failure, the end of ctx, or timeout (errTimeout). A failure
// that passes by itself is looked over until then, and told at the end.
func (r *Runtime) poll(ctx context.Context, timeout time.Duration, done func(context.Context) (bool, error)) error {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(r.timeouts.Poll)
	defer tick.Stop()
	for {
		ok, err := done(ctx)
		if ok || err != nil && (!passing(err) || ctx.Err() != nil) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline.C:
			if err != nil {
				return fmt.Errorf("%w, the last look failed: %w", errTimeout, err)
			}
			return errTimeout
		case <-tick.C:
		}
	}
}

// passing are failures of an API server that is busy, away or restarted.
func passing(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) ||
		apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err)
}
