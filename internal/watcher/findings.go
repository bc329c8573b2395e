package watcher

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

// transientGrace is how long a finding that concerns all nodes of a CloudCore at
// once waits for its condition. A CloudCore that restarts is back by then, and no
// Node was written twice for it.
const transientGrace = 20 * time.Second

// findings hands the route controller's findings to the condition controller.
type findings struct {
	nodes *nodes.Store

	mu      sync.Mutex
	current map[string]routes.Finding // nil until the first plan
	queue   requestQueue
}

// publish replaces the findings, and asks for every node whose finding changed. With
// the first ones it asks for those alone whose condition is another: after a restart
// that is none of 100,000.
func (f *findings) publish(next map[string]routes.Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.current == nil
	before := f.current
	f.current = next
	if first {
		f.askForWrong()
		return
	}
	for name, finding := range next {
		if was, found := before[name]; !found || was != finding {
			f.ask(name, finding.Transient)
		}
	}
	for name := range before {
		if _, found := next[name]; !found {
			f.ask(name, false)
		}
	}
}

// askForWrong asks for every node whose condition is not what its finding says.
func (f *findings) askForWrong() {
	if f.queue == nil || f.current == nil {
		return
	}
	f.nodes.Each(func(node *nodes.Node) {
		finding, found := f.current[node.Name]
		if conditionDiffers(node.Routed, finding, found) {
			f.ask(node.Name, finding.Transient)
		}
	})
}

// get returns a node's finding, whether it has one, and whether anything is known
// at all: before the first plan nothing must be concluded.
func (f *findings) get(node string) (finding routes.Finding, found, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	finding, found = f.current[node]
	return finding, found, f.current != nil
}

// start connects the queue, and asks for what was wrong already when the findings were
// published.
func (f *findings) start(_ context.Context, queue requestQueue) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = queue
	f.askForWrong()
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
