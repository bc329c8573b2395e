package watcher

import (
	"context"
	"maps"
	"sync"
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

// debounce is the least time between two looks at the whole: what comes sooner is worked
// off together.
const debounce = 20 * time.Millisecond

// everything is the one request of controllers that always look at the whole.
var everything = reconcile.Request{}

type requestQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// pacer lets a change that comes alone be worked off at once.
type pacer struct {
	mu   sync.Mutex
	next time.Time
}

// began notes a look at the whole.
func (p *pacer) began() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = time.Now().Add(debounce)
}

// wait is how long the next look has to wait.
func (p *pacer) wait() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, time.Until(p.next))
}

// whole asks for everything, as soon as after says, and says when the event was seen.
func whole(after func() time.Duration, seen func()) handler.EventHandler {
	add := func(q requestQueue) {
		seen()
		q.AddAfter(everything, after())
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

// enrollmentCounts lets what changes the routes pass. Of enrollments that ask in vain there
// may be thousands, and a look at the whole for each would leave no time for others.
func enrollmentCounts() predicate.Predicate {
	says := func(o client.Object) bool {
		e, ok := o.(*v1alpha1.EdgeEnrollment)
		return !ok || counts(e)
	}
	change := onChange(enrollmentDiffers)
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return says(e.Object) },
		DeleteFunc: func(e event.DeleteEvent) bool { return says(e.Object) },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return (says(e.ObjectOld) || says(e.ObjectNew)) && change.Update(e)
		},
	}
}

func enrollmentDiffers(old, new *v1alpha1.EdgeEnrollment) bool {
	return old.Spec.NodeName != new.Spec.NodeName || old.Spec.NodeIP != new.Spec.NodeIP ||
		counts(old) != counts(new) || old.Holds() != new.Holds() || old.OfDevice() != new.OfDevice()
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
