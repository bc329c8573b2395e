package watcher

import (
	"context"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// debounce is how long a burst of events may gather before it is worked off as one.
const debounce = 20 * time.Millisecond

// everything is the one request of controllers that always look at the whole.
var everything = reconcile.Request{}

type requestQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// whole asks for everything, debounce after the first event of a burst, and says when
// that event was seen.
func whole(seen func()) handler.EventHandler {
	add := func(q requestQueue) {
		seen()
		q.AddAfter(everything, debounce)
	}
	return handler.Funcs{
		CreateFunc:  func(_ context.Context, _ event.CreateEvent, q requestQueue) { add(q) },
		UpdateFunc:  func(_ context.Context, _ event.UpdateEvent, q requestQueue) { add(q) },
		DeleteFunc:  func(_ context.Context, _ event.DeleteEvent, q requestQueue) { add(q) },
		GenericFunc: func(_ context.Context, _ event.GenericEvent, q requestQueue) { add(q) },
	}
}

// onChange lets creations and deletions pass, and those updates that differ.
func onChange[T client.Object](differ func(old, new T) bool) predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(T)
		after, ok2 := e.ObjectNew.(T)
		return !ok1 || !ok2 || differ(before, after)
	}}
}

func recordDiffers(old, new *corev1.ConfigMap) bool {
	return old.Annotations[v1alpha1.TunnelPortAnnotation] != new.Annotations[v1alpha1.TunnelPortAnnotation]
}

func enrollmentDiffers(old, new *v1alpha1.EdgeEnrollment) bool {
	return old.Spec.NodeName != new.Spec.NodeName || old.Spec.NodeIP != new.Spec.NodeIP ||
		reserves(old) != reserves(new)
}

// targetsDiffer drops changes of the status, which is another controller's.
func targetsDiffer(old, new *v1alpha1.EdgeRouteTargets) bool {
	return old.Generation != new.Generation || old.UID != new.UID || !maps.Equal(old.Annotations, new.Annotations)
}

// inKubeEdge drops what the caches hold of other namespaces.
func inKubeEdge() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(obj client.Object) bool { return obj.GetNamespace() == v1alpha1.KubeEdgeNamespace })
}

// versionDiffers drops the periodic resync of objects that are watched whole.
func versionDiffers(old, new client.Object) bool {
	return old.GetResourceVersion() != new.GetResourceVersion()
}
