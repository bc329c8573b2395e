package runtime

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestLock(t *testing.T) {
	ctx := context.Background()
	now := time.Unix(1_000_000, 0)
	client := fake.NewClientset()
	first := &Runtime{kube: client, log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }}
	second := &Runtime{kube: client, log: first.log, now: first.now}

	held, release, err := first.lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := second.lock(ctx); !errors.Is(err, ErrConflict) {
		t.Errorf("second lock: %v, want ErrConflict", err)
	}
	release()
	if held.Err() == nil {
		t.Error("the lock's context outlives the lock")
	}
	if _, err := client.CoordinationV1().Leases(Namespace).Get(ctx, leaseName, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("lease after release: %v, want none", err)
	}
	_, release, err = second.lock(ctx)
	if err != nil {
		t.Fatalf("lock after release: %v", err)
	}
	release()
}

// A holder that was killed keeps others out only until its lease ends.
func TestLockOfADeadHolder(t *testing.T) {
	ctx := context.Background()
	now := time.Unix(1_000_000, 0)
	client := fake.NewClientset()
	r := &Runtime{kube: client, log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }}
	if _, err := r.acquire(ctx, "dead"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(leaseFor - time.Second)
	if _, _, err := r.lock(ctx); !errors.Is(err, ErrConflict) {
		t.Errorf("before the lease ends: %v, want ErrConflict", err)
	}
	now = now.Add(2 * time.Second)
	_, release, err := r.lock(ctx)
	if err != nil {
		t.Fatalf("after the lease ended: %v", err)
	}
	release()
}
