package observe

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

const (
	// retryAfter is the pause between two tries to resume.
	retryAfter = time.Second
	// startAfter is the pause between two looks at a container that will be started.
	startAfter = 2 * time.Second
)

// Follower reads a log to its end, or for ever, and bridges interruptions.
type Follower struct {
	src   LogSource
	opts  LogOptions
	pause pauses

	mu      sync.Mutex // guards what follows: lines and probes both speak
	emit    func(LogEvent) error
	failed  error // of emit
	reached bool  // the log was open once
	cut     bool  // LogInterrupted is the last that was said about the connection

	seen *seen
	half half
	said string // what the node said last instead of a log
}

// pauses are constants that tests shorten.
type pauses struct {
	retry, start               time.Duration
	first, quiet, probeTimeout time.Duration
}

// half is a line that a broken connection left unfinished.
type half struct {
	mark  mark
	bytes int
}

// NewFollower reads what opts choose from src. emit is called by one goroutine at a
// time; it may block, which holds the log back, and its error ends Run.
func NewFollower(src LogSource, opts LogOptions, emit func(LogEvent) error) *Follower {
	opts.Timestamps = true // they let us resume without doubles and tell notices apart
	f := &Follower{
		src: src, opts: opts, emit: emit, seen: newSeen(),
		pause: pauses{retry: retryAfter, start: startAfter, first: firstProbe, quiet: quietBeforeProbe, probeTimeout: probeTimeout},
	}
	if r := opts.Resume; r != nil {
		f.seen.resume(r.Time, r.Lines)
	}
	return f
}

// Run returns after LogEnd, when ctx ends, or with emit's error.
func (f *Follower) Run(ctx context.Context) error {
	for {
		rest, broken := f.connect(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := f.failure(); err != nil {
			return err
		}
		done, err := f.judge(ctx, rest, broken)
		if done || err != nil {
			return err
		}
		if err := sleep(ctx, f.pause.retry); err != nil {
			return err
		}
	}
}

func (f *Follower) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// say gives an event out.
func (f *Follower) say(e LogEvent) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sayLocked(e)
}

func (f *Follower) sayLocked(e LogEvent) error {
	if f.failed == nil {
		f.failed = f.emit(e)
	}
	return f.failed
}

// open says, once for each connection, that the node answers.
func (f *Follower) open() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.cut:
		f.cut, f.reached = false, true
		return f.sayLocked(LogEvent{Kind: LogResumed})
	case !f.reached:
		f.reached = true
		return f.sayLocked(LogEvent{Kind: LogOpened})
	}
	return nil
}

// interrupted says whether an interruption was told and no resumption yet.
func (f *Follower) interrupted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cut
}

// connect opens the log once and reads it until it ends. broken is why it ended,
// nil at a clean end of file; rest is what came without a line's end before it.
func (f *Follower) connect(ctx context.Context) (rest *LogEvent, broken error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	o := f.opts
	if since := f.seen.since(); since != nil {
		o.Since, o.Tail = since, nil
	} else if f.reached && o.Tail != nil && *o.Tail > 0 {
		o.Tail = nil // there was nothing: all that is there now is new
	}
	heard := make(chan struct{}, 1)
	if o.Follow {
		var watch sync.WaitGroup
		watch.Go(func() { f.watch(ctx, heard, cancel) })
		defer watch.Wait()
		defer cancel(nil)
	}
	body, err := f.src.Open(ctx, o)
	if err == nil {
		stop := context.AfterFunc(ctx, func() { body.Close() })
		defer stop()
		defer body.Close()
		// A CloudCore without the tunnel answers too, with nothing: where lines came
		// already, the next one shows that the node is back.
		if !f.interrupted() || f.seen.last.IsZero() {
			err = f.open()
		}
		if err == nil {
			hear(heard)
			rest, err = f.read(body, heard)
		}
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrNoAnswer) {
		err = cause
	}
	return rest, err
}

func hear(heard chan<- struct{}) {
	select {
	case heard <- struct{}{}:
	default:
	}
}

// read gives out lines, leaving out those of an earlier connection.
func (f *Follower) read(body io.Reader, heard chan<- struct{}) (rest *LogEvent, broken error) {
	f.seen.rewind()
	lines := newLineReader(body)
	var l line
	for {
		p, err := lines.next()
		if err != nil {
			if l.more && !l.given {
				f.half = half{mark: l.mark, bytes: l.bytes + l.skip}
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return rest, err
		}
		hear(heard)
		if err := f.open(); err != nil {
			return nil, err
		}
		ev := f.take(&l, p)
		if p.open {
			// Whether this is all of the line shows only later.
			if !l.given {
				rest = &ev
			}
			continue
		}
		if !l.given && (l.skip == 0 || !p.more) && (len(ev.Text) > 0 || !p.more) {
			if err := f.say(ev); err != nil {
				return nil, err
			}
		}
		if !p.more && ev.Kind == LogLine && !l.given {
			f.seen.add(l.mark, l.time)
		}
	}
}

// line is the one that is being read.
type line struct {
	mark  mark
	time  time.Time
	kind  string
	stamp string
	// given: it was given out before. skip: so many of its bytes were.
	given bool
	skip  int
	// bytes of it so far.
	bytes int
	more  bool
}

// take makes an event of a piece.
func (f *Follower) take(l *line, p piece) LogEvent {
	var ev LogEvent
	if p.start {
		ev = parseLine(p.data)
		*l = line{kind: ev.Kind, time: ev.Time, stamp: ev.Stamp}
		if ev.Kind == LogLine {
			l.mark = f.seen.mark(ev.Time, ev.Text)
			if l.mark == f.half.mark && f.half.bytes > 0 {
				l.skip, f.half = f.half.bytes, half{}
				ev.Continues = true
			} else if !p.open {
				l.given = f.seen.given(l.mark)
			}
		}
	} else {
		ev = LogEvent{Kind: l.kind, Time: l.time, Stamp: l.stamp, Text: append([]byte(nil), p.data...), Continues: true}
	}
	if !p.open {
		l.more = p.more
		l.bytes += len(ev.Text)
	}
	if n := min(l.skip, len(ev.Text)); n > 0 {
		ev.Text, l.skip = ev.Text[n:], l.skip-n
	}
	ev.Continued = p.more
	return ev
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
