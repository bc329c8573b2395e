package watcher

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/edgeway-io/edgeway/internal/routes"
)

// transientGrace is how long a finding that concerns all nodes of a CloudCore at
// once waits for its condition. A CloudCore that restarts is back by then, and no
// Node was written twice for it.
const transientGrace = 20 * time.Second

// findings hands the route controller's findings to the condition controller.
type findings struct {
	mu      sync.Mutex
	current map[string]routes.Finding // nil until the first plan
	queue   requestQueue
}

// publish replaces the findings, and asks for every node whose finding changed.
func (f *findings) publish(next map[string]routes.Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, finding := range next {
		if before, found := f.current[name]; !found || before != finding {
			f.ask(name, finding.Transient)
		}
	}
	for name := range f.current {
		if _, found := next[name]; !found {
			f.ask(name, false)
		}
	}
	f.current = next
}

// get returns a node's finding, whether it has one, and whether anything is known
// at all: before the first plan nothing must be concluded.
func (f *findings) get(node string) (finding routes.Finding, found, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	finding, found = f.current[node]
	return finding, found, f.current != nil
}

// start connects the queue; what was published earlier is asked for at once.
func (f *findings) start(_ context.Context, queue requestQueue) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = queue
	for name, finding := range f.current {
		f.ask(name, finding.Transient)
	}
	return nil
}

func (f *findings) ask(node string, later bool) {
	if f.queue == nil {
		return
	}
	request := reconcile.Request{NamespacedName: types.NamespacedName{Name: node}}
	if later {
		f.queue.AddAfter(request, transientGrace)
		return
	}
	f.queue.Add(request)
}
