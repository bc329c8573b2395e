package runtime

import (
	"context"
	"time"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// errTimeout means that a condition did not come true in time.
var errTimeout = errcat.New("NotReady", "timed out")

// poll looks until done, a failure, the end of ctx, or timeout (errTimeout).
func (r *Runtime) poll(ctx context.Context, timeout time.Duration, done func(context.Context) (bool, error)) error {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(r.timeouts.Poll)
	defer tick.Stop()
	for {
		ok, err := done(ctx)
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline.C:
			return errTimeout
		case <-tick.C:
		}
	}
}
