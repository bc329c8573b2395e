package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

const (
	// statusDelay collects the changes of a burst.
	statusDelay = 500 * time.Millisecond
	// statusEvery bounds how often one node writes.
	statusEvery = 3 * time.Second
)

// statusWriter stores the report in CloudNodeRoutes.
type statusWriter struct {
	log    *slog.Logger
	client client.Client
	report *report
}

func (w *statusWriter) run(ctx context.Context) error {
	for sleep(ctx, statusDelay) {
		err := w.write(ctx)
		if err != nil && ctx.Err() == nil {
			w.log.Warn("status not stored, trying again", "error", err)
		}
		if !sleep(ctx, statusEvery-statusDelay) {
			return nil
		}
		if err != nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.report.signal:
		}
	}
	return nil
}

// write stores what differs, and nothing when nothing does. Before the operator has
// looked at its node it knows nothing that it should put in place of what an earlier
// run stored: edge-watcher routes no address that is there.
func (w *statusWriter) write(ctx context.Context) error {
	if !w.report.hasLooked() {
		return nil
	}
	want, stored := w.report.snapshot()
	if stored == nil {
		created, err := w.create(ctx)
		if err != nil {
			return err
		}
		stored = created
	}
	if stored.Undecodable == "" && equality.Semantic.DeepEqual(stored.Status, want) {
		return nil
	}
	next := stored.DeepCopy()
	next.Status, next.Undecodable = want, ""
	// Only this operator writes the object, so what somebody else put there is
	// overwritten rather than merged.
	patch := client.MergeFrom(stored)
	if stored.Undecodable != "" {
		w.log.Warn("the stored CloudNodeRoutes cannot be read and is written anew", "error", stored.Undecodable)
		replace, err := replaceStatus(want)
		if err != nil {
			return err
		}
		patch = replace
	}
	if err := w.client.Status().Patch(ctx, next, patch); err != nil {
		if apierrors.IsNotFound(err) {
			w.report.seen(w.report.node, nil)
		}
		return fmt.Errorf("store CloudNodeRoutes %s: %w", next.Name, err)
	}
	w.report.seen(next.Name, next)
	return nil
}

// replaceStatus puts a status in place of a stored one that cannot be read: a merge would
// keep the fields at fault.
func replaceStatus(want v1alpha1.CloudNodeRoutesStatus) (client.Patch, error) {
	body, err := json.Marshal([]map[string]any{{"op": "add", "path": "/status", "value": want}})
	if err != nil {
		return nil, fmt.Errorf("encode the status of CloudNodeRoutes: %w", err)
	}
	return client.RawPatch(types.JSONPatchType, body), nil
}

func (w *statusWriter) create(ctx context.Context) (*v1alpha1.CloudNodeRoutes, error) {
	obj := &v1alpha1.CloudNodeRoutes{ObjectMeta: metav1.ObjectMeta{Name: w.report.node}}
	err := w.client.Create(ctx, obj)
	if apierrors.IsAlreadyExists(err) {
		err = w.client.Get(ctx, client.ObjectKeyFromObject(obj), obj)
	}
	if err != nil {
		return nil, fmt.Errorf("create CloudNodeRoutes %s: %w", w.report.node, err)
	}
	return obj, nil
}
