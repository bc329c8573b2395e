package runtime

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// leaseName of the Lease that a change holds while it runs.
	leaseName = "edgeway-change"
	// leaseFor is how long a holder that died keeps others out.
	leaseFor = 15 * time.Second
)

// lock takes the change lease, or fails with ErrConflict. The context that it
// returns ends when the lease is lost; release gives the lease back.
func (r *Runtime) lock(ctx context.Context) (held context.Context, release func(), err error) {
	holder := rand.Text()
	lease, err := r.acquire(ctx, holder)
	if err != nil {
		return nil, nil, err
	}
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.keep(held, lease, cancel)
	}()
	return held, func() {
		cancel(context.Canceled)
		<-done
		r.unlock(ctx, holder)
	}, nil
}

func (r *Runtime) acquire(ctx context.Context, holder string) (*coordinationv1.Lease, error) {
	leases := r.kube.CoordinationV1().Leases(Namespace)
	lease, err := leases.Get(ctx, leaseName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
			Name: leaseName, Namespace: Namespace, Labels: map[string]string{"app.kubernetes.io/part-of": "edgeway"},
		}}
		r.claim(lease, holder)
		lease, err = leases.Create(ctx, lease, metav1.CreateOptions{})
		return lease, conflict(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read lease %s: %w", leaseName, err)
	}
	if r.leaseHeld(lease) {
		return nil, fmt.Errorf("%w: another change of KubeEdge on this cluster is running; wait for its end", ErrConflict)
	}
	r.claim(lease, holder)
	lease, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	return lease, conflict(err)
}

// conflict turns a lost race into ErrConflict.
func conflict(err error) error {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("%w: another change of KubeEdge on this cluster began at the same moment", ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("take lease %s: %w", leaseName, err)
	}
	return nil
}

func (r *Runtime) claim(lease *coordinationv1.Lease, holder string) {
	now := metav1.NewMicroTime(r.now())
	seconds := int32(leaseFor / time.Second)
	lease.Spec = coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now}
}

func (r *Runtime) leaseHeld(lease *coordinationv1.Lease) bool {
	spec := lease.Spec
	return spec.HolderIdentity != nil && *spec.HolderIdentity != "" && spec.RenewTime != nil && r.now().Sub(spec.RenewTime.Time) < leaseFor
}

// keep renews the lease until ctx ends, and cancels when somebody else has it.
func (r *Runtime) keep(ctx context.Context, lease *coordinationv1.Lease, cancel context.CancelCauseFunc) {
	ticker := time.NewTicker(leaseFor / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := metav1.NewMicroTime(r.now())
		lease.Spec.RenewTime = &now
		renewed, err := r.kube.CoordinationV1().Leases(Namespace).Update(ctx, lease, metav1.UpdateOptions{})
		switch {
		case err == nil:
			lease = renewed
		case apierrors.IsConflict(err) || apierrors.IsNotFound(err):
			cancel(fmt.Errorf("%w: another change of KubeEdge took over", ErrConflict))
			return
		default:
			r.log.Warn("renew lease", "error", err)
		}
	}
}

// unlock removes the lease even when ctx has ended, so that nobody has to wait for it to expire.
func (r *Runtime) unlock(ctx context.Context, holder string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	leases := r.kube.CoordinationV1().Leases(Namespace)
	lease, err := leases.Get(ctx, leaseName, metav1.GetOptions{})
	if err == nil && lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity == holder {
		err = leases.Delete(ctx, leaseName, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &lease.UID}})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		r.log.Warn("give lease back", "error", err)
	}
}
