package observe

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// maxSources bounds how many logs are read at a time.
	maxSources = 50
	// queuedPieces wait in each log for their turn.
	queuedPieces = 64
	// holdBack is how long a line waits for older ones of other logs.
	holdBack = 200 * time.Millisecond
	// openGrace is how long lines wait, at the start, for logs that are not open yet.
	openGrace = 2 * time.Second
	// lookEvery is how often new logs are looked for.
	lookEvery = 5 * time.Second
)

// LogTarget names one log among several.
type LogTarget struct {
	Namespace, Pod, Container, Node string
}

// Name is pod/container.
func (t LogTarget) Name() string { return t.Pod + "/" + t.Container }

// FindLogs says which logs there are now. It is asked again while a log is followed.
type FindLogs func(context.Context) ([]LogTarget, error)

// Merger reads several logs as one, in order of time: exactly so as long as every
// log has lines waiting, and else as far as lines come within holdBack of each other.
type Merger struct {
	src  LogSource
	opts LogOptions
	find FindLogs
	emit func(LogEvent) error
	// resume says where to go on, by LogTarget.Name.
	resume map[string]LogPosition

	hold, grace, look time.Duration
	tune              func(*Follower) // for tests

	sources []*source
	known   map[string]bool
	group   sync.WaitGroup
	wake    chan struct{}
	left    int // logs beyond maxSources that were told
}

// source is one log and the lines of it that wait.
type source struct {
	target  LogTarget
	queue   chan LogEvent
	head    *LogEvent
	since   time.Time // when head came
	started time.Time
	open    bool // lines may come at any time
	done    bool
	inside  bool // in the middle of a line
}

// NewMerger reads the logs that find gives, each as opts say. emit is called from
// one goroutine; it may block, and its error ends Run.
func NewMerger(src LogSource, opts LogOptions, find FindLogs, resume map[string]LogPosition, emit func(LogEvent) error) *Merger {
	return &Merger{
		src: src, opts: opts, find: find, emit: emit, resume: resume,
		hold: holdBack, grace: openGrace, look: lookEvery,
		known: map[string]bool{}, wake: make(chan struct{}, 1),
	}
}

// Run returns after LogEnd, when ctx ends, or with an error of find's first call or
// of emit.
func (m *Merger) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer m.group.Wait()
	defer cancel()
	targets, err := m.find(ctx)
	if err != nil {
		return fmt.Errorf("find logs: %w", err)
	}
	if err := m.add(ctx, targets, m.opts); err != nil {
		return err
	}
	found := make(chan []LogTarget)
	if m.opts.Follow {
		m.group.Go(func() { m.lookout(ctx, found) })
	}
	for {
		wait, err := m.drain()
		if err != nil {
			return err
		}
		if !m.opts.Follow && m.over() {
			return m.emit(LogEvent{Kind: LogEnd, Cause: CauseComplete})
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case targets := <-found:
			// What is new has been written since we look: all of it is wanted.
			o := m.opts
			o.Tail, o.Since = nil, nil
			if err := m.add(ctx, targets, o); err != nil {
				return err
			}
		case <-m.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (m *Merger) over() bool {
	for _, s := range m.sources {
		if !s.done {
			return false
		}
	}
	return true
}

// lookout looks for logs that are new.
func (m *Merger) lookout(ctx context.Context, found chan<- []LogTarget) {
	for sleep(ctx, m.look) == nil {
		targets, err := m.find(ctx)
		if err != nil {
			continue // the logs themselves tell what is wrong
		}
		select {
		case found <- targets:
		case <-ctx.Done():
			return
		}
	}
}

// add starts the logs that are not read yet.
func (m *Merger) add(ctx context.Context, targets []LogTarget, o LogOptions) error {
	left := 0
	for _, t := range targets {
		if m.known[t.Name()] {
			continue
		}
		if m.reading() >= maxSources {
			left++
			continue
		}
		m.known[t.Name()] = true
		if err := m.start(ctx, t, o); err != nil {
			return err
		}
	}
	if left == m.left {
		return nil
	}
	m.left = left
	return m.emit(LogEvent{Kind: LogLimit, Count: left})
}

func (m *Merger) reading() int {
	n := 0
	for _, s := range m.sources {
		if !s.done {
			n++
		}
	}
	return n
}

func (m *Merger) start(ctx context.Context, t LogTarget, o LogOptions) error {
	s := &source{target: t, queue: make(chan LogEvent, queuedPieces), started: time.Now()}
	number := len(m.sources)
	m.sources = append(m.sources, s)
	if err := m.emit(LogEvent{Kind: LogSourceAdded, Source: number, From: t}); err != nil {
		return err
	}
	o.Namespace, o.Pod, o.Container = t.Namespace, t.Pod, t.Container
	if at, ok := m.resume[t.Name()]; ok {
		o.Resume = &at
	}
	f := NewFollower(m.src, o, func(e LogEvent) error {
		e.Source = number
		if e.Kind == LogEnd {
			e.Kind = LogSourceEnd
		}
		select {
		case s.queue <- e:
		case <-ctx.Done():
			return ctx.Err()
		}
		hear(m.wake)
		return nil
	})
	if m.tune != nil {
		m.tune(f)
	}
	m.group.Go(func() { _ = f.Run(ctx) }) // it told its end, or ctx has ended
	return nil
}
