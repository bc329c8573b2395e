package watcher

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
)

// writer makes the route objects equal to a plan and writes nothing that is equal
// already.
//
// It works on what the cache holds. Where that is behind, the apiserver refuses the
// write: updates carry the version they started from and names of new slices follow
// from the slices there are. The caller then tries again with a newer cache.
type writer struct {
	client client.Client
	// live reads past the cache.
	live  client.Reader
	wrote func(verb string)
	// own are slices as this writer left them, by name, until the cache has them.
	own map[string]*v1alpha1.EdgeRouteSlice
	// echo is told of every slice that is written.
	echo *echo
}

// write applies a plan: targets first, so that no slice names one that is unknown.
// What is written carries the time of its cause.
func (w *writer) write(ctx context.Context, plan routes.Plan, guard *v1alpha1.EdgeRouteGuard, cause time.Time) error {
	if err := w.writeTargets(ctx, plan.Targets, guard, cause); err != nil {
		return err
	}
	var list v1alpha1.EdgeRouteSliceList
	if err := w.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list route slices: %w", err)
	}
	byName := make(map[string]*v1alpha1.EdgeRouteSlice, len(list.Items))
	existing := make([]routes.Slice, len(list.Items))
	for i := range list.Items {
		item := w.latest(&list.Items[i])
		byName[item.Name] = item
		existing[i] = routes.Slice{Name: item.Name, Routes: item.Routes}
	}
	return w.writeSlices(ctx, byName, routes.Reslice(existing, plan.Routes), cause)
}

// latest is the slice as this writer left it if the cache does not have that yet:
// where changes follow each other closely, each would be refused once otherwise.
func (w *writer) latest(cached *v1alpha1.EdgeRouteSlice) *v1alpha1.EdgeRouteSlice {
	own := w.own[cached.Name]
	if own == nil {
		return cached
	}
	age, err := resourceversion.CompareResourceVersion(own.ResourceVersion, cached.ResourceVersion)
	if err != nil || age <= 0 {
		delete(w.own, cached.Name)
		return cached
	}
	return own
}

func (w *writer) writeTargets(ctx context.Context, targets []v1alpha1.EdgeRouteTarget, guard *v1alpha1.EdgeRouteGuard, cause time.Time) error {
	if targets == nil {
		targets = []v1alpha1.EdgeRouteTarget{}
	}
	var current v1alpha1.EdgeRouteTargets
	err := w.client.Get(ctx, client.ObjectKey{Name: v1alpha1.TargetsName}, &current)
	if apierrors.IsNotFound(err) {
		created := &v1alpha1.EdgeRouteTargets{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.TargetsName}, Targets: targets, Guard: guard}
		stamp(&created.ObjectMeta, cause)
		return w.create(ctx, created)
	}
	if err != nil {
		return fmt.Errorf("get route targets: %w", err)
	}
	outdated, err := w.markIsOutdated(ctx, &current)
	if err != nil {
		return err
	}
	if !outdated && apiequality.Semantic.DeepEqual(current.Targets, targets) && apiequality.Semantic.DeepEqual(current.Guard, guard) {
		return nil
	}
	if outdated {
		delete(current.Annotations, v1alpha1.AnnotationUninstall)
		delete(current.Annotations, v1alpha1.AnnotationUninstallOf)
	}
	current.Targets, current.Guard = targets, guard
	stamp(&current.ObjectMeta, cause)
	return w.update(ctx, &current)
}

// markIsOutdated says that the uninstall that the operators were asked for was that of
// an earlier release, whose DaemonSet is gone.
func (w *writer) markIsOutdated(ctx context.Context, targets *v1alpha1.EdgeRouteTargets) (bool, error) {
	of, marked := targets.Annotations[v1alpha1.AnnotationUninstallOf]
	if !marked {
		return false, nil
	}
	var operators appsv1.DaemonSet
	key := client.ObjectKey{Namespace: v1alpha1.KubeEdgeNamespace, Name: v1alpha1.OperatorDaemonSet}
	err := w.live.Get(ctx, key, &operators)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("get DaemonSet %s: %w", key, err)
	}
	return err == nil && string(operators.UID) != of, nil
}

// writeSlices writes the others when the API server refuses what one slice holds.
func (w *writer) writeSlices(ctx context.Context, byName map[string]*v1alpha1.EdgeRouteSlice, changes routes.Changes, cause time.Time) error {
	var refused []error
	for _, s := range changes.Create {
		obj := &v1alpha1.EdgeRouteSlice{ObjectMeta: metav1.ObjectMeta{Name: s.Name}}
		fill(obj, s.Routes, cause)
		if err := w.create(ctx, obj); apierrors.IsInvalid(err) {
			refused = append(refused, err)
			continue
		} else if err != nil {
			return err
		}
		w.echo.written(obj.Name, obj.ResourceVersion)
	}
	for _, s := range changes.Update {
		// The cached object is shared; only its metadata is wanted.
		obj := &v1alpha1.EdgeRouteSlice{ObjectMeta: *byName[s.Name].ObjectMeta.DeepCopy()}
		fill(obj, s.Routes, cause)
		if err := w.update(ctx, obj); err != nil {
			delete(w.own, s.Name) // what is there now, only the cache can tell
			if apierrors.IsInvalid(err) {
				refused = append(refused, err)
				continue
			}
			return err
		}
		if w.own == nil {
			w.own = map[string]*v1alpha1.EdgeRouteSlice{}
		}
		w.own[s.Name] = obj
		w.echo.written(obj.Name, obj.ResourceVersion)
	}
	for _, name := range changes.Delete {
		if err := w.delete(ctx, byName[name]); err != nil {
			return err
		}
	}
	return errors.Join(refused...)
}

func fill(obj *v1alpha1.EdgeRouteSlice, content []v1alpha1.EdgeRoute, cause time.Time) {
	stamp(&obj.ObjectMeta, cause)
	metav1.SetMetaDataAnnotation(&obj.ObjectMeta, v1alpha1.AnnotationRoutes, strconv.Itoa(len(content)))
	obj.Routes = content
}

// stamp is only ever put on what is written for another reason.
func stamp(meta *metav1.ObjectMeta, cause time.Time) {
	metav1.SetMetaDataAnnotation(meta, v1alpha1.AnnotationChangedAt, cause.UTC().Format(time.RFC3339Nano))
}

func (w *writer) create(ctx context.Context, obj client.Object) error {
	if err := w.client.Create(ctx, obj); err != nil {
		return fmt.Errorf("create %T %s: %w", obj, obj.GetName(), err)
	}
	w.wrote("create")
	return nil
}

func (w *writer) update(ctx context.Context, obj client.Object) error {
	if err := w.client.Update(ctx, obj); err != nil {
		return fmt.Errorf("update %T %s: %w", obj, obj.GetName(), err)
	}
	w.wrote("update")
	return nil
}

// delete removes the slice only as it was seen: by now it may hold routes again.
func (w *writer) delete(ctx context.Context, slice *v1alpha1.EdgeRouteSlice) error {
	seen := client.Preconditions{UID: &slice.UID, ResourceVersion: &slice.ResourceVersion}
	obj := &v1alpha1.EdgeRouteSlice{ObjectMeta: metav1.ObjectMeta{Name: slice.Name}}
	if err := w.client.Delete(ctx, obj, seen); err != nil {
		return fmt.Errorf("delete route slice %s: %w", slice.Name, err)
	}
	w.wrote("delete")
	return nil
}

// cacheIsBehind says that a write failed only because the cache was out of date.
func cacheIsBehind(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err)
}
