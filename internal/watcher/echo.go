package watcher

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// echo tells what the watch brings back of the writer's own writes from what others
// wrote: the former asks for no look at the whole, which with many nodes would double
// the work for every change.
type echo struct {
	mu sync.Mutex
	// wrote are the versions that the writer left of slices, by name.
	wrote map[string]string
	// saw are the versions that the watch brought since the last look began, by name.
	saw map[string]string
	// owed says that a look failed and has to be repeated.
	owed bool
}

func newEcho() *echo { return &echo{wrote: map[string]string{}, saw: map[string]string{}} }

// written notes the version that a write left.
func (e *echo) written(name, version string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wrote[name] = version
}

// forget drops what is known of a slice that is gone.
func (e *echo) forget(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.wrote, name)
}

func (e *echo) seen(name, version string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.saw[name] = version
}

// foreign says whether an event of a slice needs a look: not when it was a write of our
// own, and not when a look began since, which had it.
func (e *echo) foreign(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	version, pending := e.saw[name]
	delete(e.saw, name)
	return e.owed || (pending && version != e.wrote[name])
}

// began notes that a look at the whole begins, and ended whether it has to be repeated.
func (e *echo) began() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.saw)
	e.owed = false
}

func (e *echo) ended(repeat bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.owed = repeat
}

// slices asks for a look at what became of each slice, and for one at the whole where
// that cannot be our own doing, or is rare.
func (e *echo) slices(after func() time.Duration, seen func()) handler.EventHandler {
	all := whole(after, seen).(handler.Funcs)
	update := func(_ context.Context, ev event.UpdateEvent, q requestQueue) {
		e.seen(ev.ObjectNew.GetName(), ev.ObjectNew.GetResourceVersion())
		q.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Name: ev.ObjectNew.GetName()}}, after())
	}
	remove := func(ctx context.Context, ev event.DeleteEvent, q requestQueue) {
		e.forget(ev.Object.GetName())
		all.Delete(ctx, ev, q)
	}
	return handler.Funcs{CreateFunc: all.CreateFunc, UpdateFunc: update, DeleteFunc: remove, GenericFunc: all.GenericFunc}
}
