package tunnel

import "sync"

// maxPerNode bounds the tunnels of one node: a device whose link broke dials again
// before its old tunnel is found dead.
const maxPerNode = 2

// registry knows the open tunnels by node.
type registry struct {
	mu     sync.Mutex
	byNode map[string][]*session // the oldest first
}

func newRegistry() *registry { return &registry{byNode: map[string][]*session{}} }

// add takes a tunnel in. It returns the tunnels that are too many, to be cut: the
// newest is the one that the device uses.
func (r *registry) add(s *session) []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := append(r.byNode[s.node], s)
	cut := max(0, len(all)-maxPerNode)
	r.byNode[s.node] = all[cut:]
	return all[:cut]
}

func (r *registry) remove(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var left []*session
	for _, other := range r.byNode[s.node] {
		if other != s {
			left = append(left, other)
		}
	}
	if len(left) == 0 {
		delete(r.byNode, s.node)
		return
	}
	r.byNode[s.node] = left
}

// of returns the tunnels of a node.
func (r *registry) of(node string) []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*session(nil), r.byNode[node]...)
}

// all returns every tunnel.
func (r *registry) all() []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*session
	for _, sessions := range r.byNode {
		out = append(out, sessions...)
	}
	return out
}
