package samples

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Limits of a Store.
type Limits struct {
	// Keep is how long points are kept.
	Keep time.Duration
	// Points is how many are kept in all; a point takes about 170 bytes. When there
	// are many objects each keeps a shorter history, but always the recent samples.
	Points int
	// Gap is the time between two points from which on there is a gap between them.
	Gap time.Duration
}

// Store keeps the points of nodes, pods and containers. It is safe for use by
// several goroutines.
type Store struct {
	limits Limits
	mu     sync.RWMutex
	nodes  map[string]*nodePoints
	// podNode is where a pod was seen last.
	podNode map[PodKey]string
	objects int
}

// PodKey names a pod.
type PodKey struct{ Namespace, Name string }

type nodePoints struct {
	points []Point
	pods   map[PodKey]*podPoints
	state  State
}

type podPoints struct {
	points     []Point
	containers map[string][]Point
}

// NewStore makes an empty Store.
func NewStore(l Limits) *Store {
	return &Store{limits: l, nodes: map[string]*nodePoints{}, podNode: map[PodKey]string{}}
}

// PodPoints is one pod's part of what is added.
type PodPoints struct {
	Key        PodKey
	Point      Point
	Containers map[string]Point
}

// Add what was measured on a node, and forget what is too old or gone. Points that
// are not younger than what is there are the same sample again and not added.
func (s *Store) Add(node string, point Point, pods []PodPoints, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.node(node)
	n.state = State{Available: true, Tried: &now, Succeeded: &now}
	limit := s.perObject()
	n.points = appendPoint(n.points, point, limit)
	for _, p := range pods {
		pp := n.pods[p.Key]
		if pp == nil {
			pp = &podPoints{containers: map[string][]Point{}}
			n.pods[p.Key] = pp
		}
		s.podNode[p.Key] = node
		pp.points = appendPoint(pp.points, p.Point, limit)
		for name, point := range p.Containers {
			pp.containers[name] = appendPoint(pp.containers[name], point, limit)
		}
	}
	s.forget(node, n, now)
}

// Failed notes that a node gave no sample, and why.
func (s *Store) Failed(node, cause, message string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.node(node)
	n.state = State{Cause: cause, Message: message, Tried: &now, Succeeded: n.state.Succeeded}
	s.forget(node, n, now)
}

// Sweep forgets what is too old on all nodes.
func (s *Store) Sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects = 0
	for name, n := range s.nodes {
		s.forget(name, n, now)
		s.objects += 1 + len(n.pods)
		for _, p := range n.pods {
			s.objects += len(p.containers)
		}
	}
}

func (s *Store) node(name string) *nodePoints {
	n := s.nodes[name]
	if n == nil {
		n = &nodePoints{pods: map[PodKey]*podPoints{}}
		s.nodes[name] = n
	}
	return n
}

// perObject is how many points one object may keep.
func (s *Store) perObject() int {
	return max(RecentCount+1, s.limits.Points/max(1, s.objects))
}

func appendPoint(points []Point, p Point, limit int) []Point {
	if p.At == 0 || len(points) > 0 && p.At <= points[len(points)-1].At {
		return points
	}
	if over := len(points) + 1 - limit; over > 0 {
		points = slices.Delete(points, 0, over)
	}
	return append(points, p)
}

// forget drops old points, and objects that have none left.
func (s *Store) forget(name string, n *nodePoints, now time.Time) {
	oldest := now.Add(-s.limits.Keep).UnixMilli()
	n.points = dropOld(n.points, oldest)
	for key, p := range n.pods {
		p.points = dropOld(p.points, oldest)
		for c, points := range p.containers {
			if points = dropOld(points, oldest); len(points) == 0 {
				delete(p.containers, c)
				continue
			}
			p.containers[c] = points
		}
		if len(p.points) == 0 && len(p.containers) == 0 {
			delete(n.pods, key)
			if s.podNode[key] == name {
				delete(s.podNode, key)
			}
		}
	}
	stale := n.state.Tried == nil || now.Sub(*n.state.Tried) > s.limits.Keep
	if len(n.points) == 0 && len(n.pods) == 0 && stale {
		delete(s.nodes, name)
	}
}

func dropOld(points []Point, oldest int64) []Point {
	i, _ := slices.BinarySearchFunc(points, oldest, func(p Point, t int64) int { return cmp.Compare(p.At, t) })
	return slices.Delete(points, 0, i)
}

// Query says which history an answer holds; Since zero means none.
type Query struct {
	Since time.Duration
	Now   time.Time
}

func (s *Store) spanOf(q Query) *span {
	if q.Since <= 0 {
		return nil
	}
	return &span{from: q.Now.Add(-q.Since), to: q.Now, gap: s.limits.Gap}
}

// Node answers what is known of a node.
func (s *Store) Node(name string, q Query) NodeSamples {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := NodeSamples{Metadata: Meta{Name: name}, State: State{Cause: CauseNoSample, Message: "the node was not sampled yet"}}
	var points []Point
	if n := s.nodes[name]; n != nil {
		points, out.State = n.points, n.state
	}
	out.Node = objectOf(name, points, s.spanOf(q))
	return out
}

// Pod answers what is known of a pod that runs on node.
func (s *Store) Pod(key PodKey, node string, q Query) PodSamples {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pod(key, node, q)
}

func (s *Store) pod(key PodKey, node string, q Query) PodSamples {
	out := PodSamples{
		Metadata: Meta{Name: key.Name, Namespace: key.Namespace}, NodeName: node, Containers: []Object{},
		State: State{Cause: CauseNoSample, Message: "the pod's node was not sampled yet"},
	}
	n := s.nodes[node]
	var points []Point
	if n != nil {
		out.State = n.state
		if p := n.pods[key]; p != nil {
			points = p.points
			for name, c := range p.containers {
				out.Containers = append(out.Containers, objectOf(name, c, s.spanOf(q)))
			}
		} else if n.state.Available {
			out.State = State{Cause: CauseNoSample, Message: "the node does not report this pod yet", Tried: n.state.Tried}
		}
	}
	slices.SortFunc(out.Containers, func(a, b Object) int { return cmp.Compare(a.Name, b.Name) })
	out.Pod = objectOf(key.Name, points, s.spanOf(q))
	return out
}

// NodeOf says on which node a pod was seen last.
func (s *Store) NodeOf(key PodKey) (string, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	node, ok := s.podNode[key]
	return node, ok
}
