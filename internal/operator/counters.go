package operator

import (
	"context"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
)

// countersEvery bounds how often counters alone cause a write of the status.
const countersEvery = time.Minute

// counterReader brings the kernel's counters into the report.
type counterReader struct {
	log     *slog.Logger
	backend netrules.Backend
	report  *report
}

// run reads once when the rules are there: their counters outlive an operator.
func (c *counterReader) run(ctx context.Context) error {
	for !c.report.isReady() {
		if !sleep(ctx, time.Second) {
			return nil
		}
	}
	for {
		c.read(ctx)
		if !sleep(ctx, countersEvery) {
			return nil
		}
	}
}

func (c *counterReader) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, collectTimeout)
	defer cancel()
	counters, err := c.backend.Counters(ctx)
	if err != nil {
		c.log.Warn("counters not read", "error", err)
		return
	}
	c.report.counters(counters)
}

// counters are taken over when they differ; equal ones must cause no write.
func (r *report) counters(c netrules.Counters) {
	next := v1alpha1.CloudNodeCounters{Guarded: int64(c.Guarded), Unrouted: int64(c.Unrouted), Rejected: int64(c.Rejected)}
	r.mu.Lock()
	same := r.want.Counters != nil && *r.want.Counters == v1alpha1.CloudNodeCounters{
		Guarded: next.Guarded, Unrouted: next.Unrouted, Rejected: next.Rejected, ReadAt: r.want.Counters.ReadAt}
	r.mu.Unlock()
	if same {
		return
	}
	now := metav1.Now().Rfc3339Copy()
	next.ReadAt = &now
	r.change(func() { r.want.Counters = &next })
}
