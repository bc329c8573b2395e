package samples

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Trends keep CPU and memory of every node for a while, as metrics-server knows
// them: one request gives all of them.
type Trends struct {
	keep time.Duration
	// most is how many points all nodes have together.
	most  int
	mu    sync.RWMutex
	nodes map[string][]TrendPoint
	err   string
}

// TrendPoint is CPU and working set of a node at one time, in milliseconds.
type TrendPoint struct {
	At                     int64
	NanoCores, MemoryBytes float64
}

// NewTrends keeps at most so many points in all, of 24 bytes each.
func NewTrends(keep time.Duration, most int) *Trends {
	return &Trends{keep: keep, most: most, nodes: map[string][]TrendPoint{}}
}

// Add points of nodes, and forget what is too old.
func (t *Trends) Add(points map[string]TrendPoint, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = ""
	limit := max(RecentCount, t.most/max(1, len(t.nodes)))
	for name, p := range points {
		list := t.nodes[name]
		if n := len(list); n > 0 && p.At <= list[n-1].At {
			continue
		}
		if over := len(list) + 1 - limit; over > 0 {
			list = slices.Delete(list, 0, over)
		}
		t.nodes[name] = append(list, p)
	}
	oldest := now.Add(-t.keep).UnixMilli()
	for name, list := range t.nodes {
		i, _ := slices.BinarySearchFunc(list, oldest, func(p TrendPoint, at int64) int { return cmp.Compare(p.At, at) })
		if list = slices.Delete(list, 0, i); len(list) == 0 {
			delete(t.nodes, name)
			continue
		}
		t.nodes[name] = list
	}
}

// Failed notes why there are no new points.
func (t *Trends) Failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err.Error()
}

// List gives every node's last while in so many intervals: the mean of each, or null
// where there is no point.
func (t *Trends) List(since time.Duration, intervals int, now time.Time) NodeTrendList {
	t.mu.RLock()
	defer t.mu.RUnlock()
	step := since.Milliseconds() / int64(intervals)
	end := now.UnixMilli()/step*step + step // a grid that stays where it is from one question to the next
	start := end - step*int64(intervals)
	out := NodeTrendList{TimesMs: make([]int64, intervals), Items: make([]NodeTrend, 0, len(t.nodes)), Message: t.err}
	for i := range out.TimesMs {
		out.TimesMs[i] = start + step*int64(i+1)
	}
	for name, points := range t.nodes {
		out.Items = append(out.Items, trendOf(name, points, start, step, intervals))
	}
	slices.SortFunc(out.Items, func(a, b NodeTrend) int { return cmp.Compare(a.Metadata.Name, b.Metadata.Name) })
	return out
}

func trendOf(name string, points []TrendPoint, start, step int64, intervals int) NodeTrend {
	cpu, memory, count := make([]float64, intervals), make([]float64, intervals), make([]float64, intervals)
	for _, p := range points {
		if i := (p.At - start) / step; p.At >= start && i < int64(intervals) {
			cpu[i] += p.NanoCores
			memory[i] += p.MemoryBytes
			count[i]++
		}
	}
	out := NodeTrend{Metadata: Meta{Name: name}, CPUNanoCores: make([]*float64, intervals), MemoryBytes: make([]*float64, intervals)}
	for i, n := range count {
		if n > 0 {
			c, m := float64(int64(cpu[i]/n)), float64(int64(memory[i]/n))
			out.CPUNanoCores[i], out.MemoryBytes[i] = &c, &m
		}
	}
	return out
}
