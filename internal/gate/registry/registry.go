// Package registry knows which connections of a node are open, so that they can be cut
// when the node may have none any more, and bounds how many a node holds.
package registry

import "sync"

// Registry holds connections of one kind by node.
type Registry[C comparable] struct {
	max    int
	mu     sync.Mutex
	byNode map[string][]C // the oldest first
}

// New returns a registry of at most max connections for each node.
func New[C comparable](max int) *Registry[C] {
	return &Registry[C]{max: max, byNode: map[string][]C{}}
}

// Add takes a connection in. It returns the connections that are too many, to be cut:
// the newest is the one that the device uses.
func (r *Registry[C]) Add(node string, c C) []C {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := append(r.byNode[node], c)
	cut := max(0, len(all)-r.max)
	r.byNode[node] = all[cut:]
	return all[:cut:cut]
}

// Remove forgets a connection that has ended.
func (r *Registry[C]) Remove(node string, c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var left []C
	for _, other := range r.byNode[node] {
		if other != c {
			left = append(left, other)
		}
	}
	if len(left) == 0 {
		delete(r.byNode, node)
		return
	}
	r.byNode[node] = left
}

// Of returns the connections of a node.
func (r *Registry[C]) Of(node string) []C {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]C(nil), r.byNode[node]...)
}

// All returns every connection.
func (r *Registry[C]) All() []C {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []C
	for _, connections := range r.byNode {
		out = append(out, connections...)
	}
	return out
}
