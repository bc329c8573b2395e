package runtime

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/uninstall"
)

// asker asks the operators to remove everything from their kernels.
func (r *Runtime) asker() uninstall.Asker {
	return uninstall.Asker{Kube: r.kube, Dynamic: r.dynamic}
}

// resume takes the mark of an interrupted disable away and makes sure that the
// release is applied again, because edge-watcher was stopped.
func (r *Runtime) resume(ctx context.Context, plan *Plan, say func(string)) error {
	targets := r.dynamic.Resource(uninstall.Resource("edgeroutetargets"))
	object, err := targets.Get(ctx, v1alpha1.TargetsName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read EdgeRouteTargets: %w", err)
	}
	annotations := object.GetAnnotations()
	if _, marked := annotations[v1alpha1.AnnotationUninstall]; !marked {
		return nil
	}
	say("undoing an interrupted disable")
	if plan.Action == ActionNone {
		plan.Action = ActionContinue
	}
	delete(annotations, v1alpha1.AnnotationUninstall)
	delete(annotations, v1alpha1.AnnotationUninstallOf)
	object.SetAnnotations(annotations)
	_, err = targets.Update(ctx, object, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		return r.resume(ctx, plan, say)
	}
	if err != nil {
		return fmt.Errorf("clear mark of EdgeRouteTargets: %w", err)
	}
	return nil
}

// removeRouteObjects deletes what edge-watcher and the operators wrote; neither
// runs any more. No CRD means that there is nothing.
func (r *Runtime) removeRouteObjects(ctx context.Context) error {
	var errs []error
	for _, resource := range []string{"edgerouteslices", "edgeroutetargets", "cloudnoderoutes"} {
		err := r.dynamic.Resource(uninstall.Resource(resource)).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		errs = append(errs, gone(resource, err))
	}
	return errors.Join(errs...)
}
