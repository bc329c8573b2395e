package collect

import (
	"context"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/edgeway-io/edgeway/internal/samples"
	"github.com/edgeway-io/edgeway/internal/samples/kubelet"
)

// Options of a Collector; zero values take the defaults.
type Options struct {
	// Every node of interest is sampled this often: 10 s. Kubelets measure every 10
	// to 15 s, so that each sample of theirs is seen once.
	Every time.Duration
	// AlwaysEvery is the pace for nodes that nobody looks at: 15 s.
	AlwaysEvery time.Duration
	// Interest in a node ends this long after the last question: 90 s.
	Interest time.Duration
	// Timeout of one try: 8 s.
	Timeout time.Duration
	// MaxBackoff is the longest pause after tries that failed: 2 min.
	MaxBackoff time.Duration
	// Slots is how many nodes are asked at the same time: 128. Nodes that fail are
	// asked ever more seldom, so that dead ones cannot fill the slots.
	Slots int
	// Always lists the nodes that are sampled though nobody looks; nil for none.
	Always func(context.Context) ([]string, error)
	// Now is the clock of the interest; time.Now when nil.
	Now func() time.Time
	Log *slog.Logger
}

func (o *Options) complete() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.Every, 10 * time.Second}, {&o.AlwaysEvery, 15 * time.Second}, {&o.Interest, 90 * time.Second},
		{&o.Timeout, 8 * time.Second}, {&o.MaxBackoff, 2 * time.Minute},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.Slots == 0 {
		o.Slots = 128
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// Collector samples nodes into a Store.
type Collector struct {
	o     Options
	fetch Fetcher
	store *samples.Store
	slots chan struct{}

	mu    sync.Mutex
	ctx   context.Context // of Run; nil before
	nodes map[string]*watched
	wg    sync.WaitGroup
}

// watched is a node that is sampled.
type watched struct {
	// until is when the interest ends; always is set by what Options.Always said last.
	until  time.Time
	always bool
	// tried is closed after the first try.
	tried chan struct{}
	// wake ends a pause: somebody looks now.
	wake chan struct{}
}

// New makes a Collector that works once Run is called.
func New(f Fetcher, s *samples.Store, o Options) *Collector {
	o.complete()
	return &Collector{o: o, fetch: f, store: s, slots: make(chan struct{}, o.Slots), nodes: map[string]*watched{}}
}

// Run samples until ctx ends.
func (c *Collector) Run(ctx context.Context) error {
	c.mu.Lock()
	c.ctx = ctx
	for name, w := range c.nodes {
		c.start(name, w)
	}
	c.mu.Unlock()
	tick := time.NewTicker(c.o.AlwaysEvery)
	defer tick.Stop()
	for {
		c.always(ctx)
		c.store.Sweep(c.o.Now())
		select {
		case <-ctx.Done():
			c.wg.Wait()
			return nil
		case <-tick.C:
		}
	}
}

// always takes over which nodes are sampled without anybody's interest.
func (c *Collector) always(ctx context.Context) {
	if c.o.Always == nil {
		return
	}
	names, err := c.o.Always(ctx)
	if err != nil {
		c.o.Log.Warn("list the nodes to sample", "error", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.nodes {
		w.always = false
	}
	for _, name := range names {
		c.watch(name).always = true
	}
}

// Touch says that somebody looks at a node. The channel is closed once it was tried.
func (c *Collector) Touch(name string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.watch(name)
	now := c.o.Now()
	cold := !now.Before(w.until)
	w.until = now.Add(c.o.Interest)
	if cold {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return w.tried
}

// watch finds or starts the sampling of a node. c.mu is held.
func (c *Collector) watch(name string) *watched {
	w := c.nodes[name]
	if w == nil {
		w = &watched{tried: make(chan struct{}), wake: make(chan struct{}, 1)}
		c.nodes[name] = w
		if c.ctx != nil {
			c.start(name, w)
		}
	}
	return w
}

func (c *Collector) start(name string, w *watched) {
	ctx := c.ctx
	c.wg.Go(func() { c.loop(ctx, name, w) })
}

// loop samples one node until nobody wants it any more.
func (c *Collector) loop(ctx context.Context, name string, w *watched) {
	failures := 0
	for first := true; ; first = false {
		if c.sample(ctx, name) {
			failures = 0
		} else {
			failures++
		}
		if first {
			close(w.tried)
		}
		pause, wanted := c.pause(name, w, failures)
		if !wanted {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-w.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// pause until the next try; false once the node is wanted no more.
func (c *Collector) pause(name string, w *watched, failures int) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pause := c.o.AlwaysEvery
	switch {
	case c.o.Now().Before(w.until):
		pause = c.o.Every
	case !w.always:
		delete(c.nodes, name)
		return 0, false
	}
	// A first failure may be a hiccup; from the second on the pause doubles.
	for range min(failures-1, 16) {
		pause *= 2
	}
	return spread(name, min(pause, max(c.o.MaxBackoff, c.o.Every))), true
}

// spread keeps many nodes from being asked at the same moment: each has a pace of
// its own, up to a tenth quicker.
func spread(name string, pause time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return pause - pause*time.Duration(h.Sum32()%100)/1000
}

// sample tries a node once.
func (c *Collector) sample(ctx context.Context, name string) bool {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-c.slots }()
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	reading, err := c.fetch.Fetch(ctx, name)
	now := c.o.Now().UTC()
	if err != nil {
		c.store.Failed(name, causeOf(err), err.Error(), now)
		return false
	}
	c.store.Add(name, reading.Node, podPoints(reading.Pods), now)
	return true
}

func podPoints(pods []kubelet.Pod) []samples.PodPoints {
	out := make([]samples.PodPoints, 0, len(pods))
	for _, p := range pods {
		pp := samples.PodPoints{Key: samples.PodKey{Namespace: p.Namespace, Name: p.Name}, Point: p.Point, Containers: map[string]samples.Point{}}
		for _, c := range p.Containers {
			pp.Containers[c.Name] = c.Point
		}
		out = append(out, pp)
	}
	return out
}
