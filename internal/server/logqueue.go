package server

import (
	"context"
	"sync"
	"time"

	"github.com/edgeway-io/edgeway/internal/observe"
)

const (
	// A queue holds this much of a log for its reader.
	queueEvents = 16 << 10
	queueBytes  = 4 << 20
	// silence is how long nothing comes once a reader has seen all there was: while old
	// lines come, a reader is ahead of them for moments.
	silence = time.Second
	// longestCatchUp is when such a moment is enough: lines of a node whose clock is
	// behind ours, and that never pauses, look old for as long as it is behind.
	longestCatchUp = 30 * time.Second
)

// logQueue is what a log's reader has not taken yet. Lines that were there before
// the reader came are held back until there is room: they are a limited amount. A
// live log is not held back, since what waits for one reader holds up a whole
// tunnel: lines that find no room are counted and left out.
type logQueue struct {
	live    bool
	started time.Time

	mu     sync.Mutex
	events []observe.LogEvent
	bytes  int
	closed bool
	caught bool // the reader has seen all there was
	begun  bool // a line has come
	// emptySince is when the reader began to wait for another line.
	emptySince time.Time
	full       bool // lines are left out until half is free
	skipped    int
	cut        map[int]bool // sources whose line is left out from its start on

	more, room chan struct{}
}

// newLogQueue makes a queue; live says that the log is followed from now on.
func newLogQueue(live bool, now time.Time) *logQueue {
	return &logQueue{live: live, started: now, cut: map[int]bool{}, more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put adds an event. It waits for room where nothing may be left out.
func (q *logQueue) put(ctx context.Context, e observe.LogEvent) error {
	for !q.tryPut(e) {
		select {
		case <-q.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	signal(q.more)
	return nil
}

func (q *logQueue) tryPut(e observe.LogEvent) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.Kind != observe.LogLine && e.Kind != observe.LogNotice {
		q.events = append(q.events, e)
		return true
	}
	q.endWait()
	fits := len(q.events) < queueEvents && q.bytes < queueBytes
	if q.full {
		q.full = len(q.events) > queueEvents/2 || q.bytes > queueBytes/2
	} else if !fits {
		if !q.live || !q.caught && e.Time.Before(q.started) {
			return false
		}
		q.full = true
	}
	if q.full || e.Continues && q.cut[e.Source] {
		q.cut[e.Source] = e.Continued
		if !e.Continued {
			q.skipped++
		}
		return true
	}
	q.cut[e.Source] = false
	q.tellSkipped()
	q.events = append(q.events, e)
	q.bytes += len(e.Text)
	return true
}

// endWait notices that the reader has seen all there was before the line that comes.
func (q *logQueue) endWait() {
	q.begun = true
	if q.emptySince.IsZero() {
		return
	}
	now := time.Now()
	q.caught = q.caught || now.Sub(q.emptySince) >= silence || now.Sub(q.started) >= longestCatchUp
	q.emptySince = time.Time{}
}

func (q *logQueue) tellSkipped() {
	if q.skipped > 0 {
		q.events = append(q.events, observe.LogEvent{Kind: observe.LogSkipped, Count: q.skipped})
		q.skipped = 0
	}
}

// close says that nothing more will be put.
func (q *logQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	signal(q.more)
}

// take waits for events and gives a frame's worth of them; ok is false at the end.
func (q *logQueue) take(ctx context.Context) (events []observe.LogEvent, ok bool, err error) {
	for {
		q.mu.Lock()
		if len(q.events) > 0 {
			events = q.cutFrame()
			q.mu.Unlock()
			signal(q.room)
			return events, true, nil
		}
		// How long the first line takes says nothing.
		if q.begun && q.emptySince.IsZero() {
			q.emptySince = time.Now()
		}
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return nil, false, nil
		}
		select {
		case <-q.more:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

func (q *logQueue) cutFrame() []observe.LogEvent {
	n, size := 0, 0
	for n < len(q.events) && n < frameLines && size < frameBytes {
		size += len(q.events[n].Text)
		n++
	}
	out := q.events[:n:n]
	q.events = q.events[n:]
	q.bytes -= size
	if len(q.events) == 0 {
		q.events = nil
		q.tellSkipped()
	}
	return out
}

// small: it is worth waiting a moment for more.
func (q *logQueue) small() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.events) < frameLines && q.bytes < frameBytes && !q.closed
}
