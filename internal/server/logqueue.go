package server

import (
	"context"
	"sync"
	"time"

	"github.com/edgeway-io/edgeway/internal/limit"
	"github.com/edgeway-io/edgeway/internal/observe"
)

const (
	// A queue holds this much of a log for its reader.
	queueEvents = 16 << 10
	queueBytes  = 4 << 20
	// queueShare is what each queue may hold however little is left of the budget that all
	// queues share: every log goes on, if slowly.
	queueShare = 64 << 10
	// logBudget is what all queues together may hold above their shares.
	logBudget = 32 << 20
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
	// budget is shared with other queues; nil has no end.
	budget *limit.Bytes

	mu sync.Mutex
	// frames of what waits, each as much as one message carries.
	frames []queuedFrame
	events int
	bytes  int
	// sending is the size of what was taken last. It is in memory until the next take.
	sending int
	closed  bool
	caught  bool // the reader has seen all there was
	begun   bool // a line has come
	// emptySince is when the reader began to wait for another line.
	emptySince time.Time
	full       bool // lines are left out until half is free
	// half of what the queue held when it became full.
	halfEvents, halfBytes int
	skipped               int
	cut                   map[int]bool // sources whose line is left out from its start on

	more, room chan struct{}
}

// queuedFrame is what one message will carry.
type queuedFrame struct {
	events []observe.LogEvent
	size   int // of the events, in bytes
}

// newLogQueue makes a queue; live says that the log is followed from now on.
func newLogQueue(live bool, now time.Time, budget *limit.Bytes) *logQueue {
	return &logQueue{live: live, started: now, budget: budget, cut: map[int]bool{}, more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
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
		q.add(e)
		return true
	}
	q.endWait()
	if q.full {
		q.full = q.events > q.halfEvents || q.bytes > q.halfBytes
	}
	if !q.full && !q.fits(e) {
		if !q.live || !q.caught && e.Time.Before(q.started) {
			return false
		}
		q.full, q.halfEvents, q.halfBytes = true, q.events/2, q.bytes/2
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
	q.add(e)
	return true
}

// fits tells whether there is room in the queue and, above its share, in the budget.
func (q *logQueue) fits(e observe.LogEvent) bool {
	if q.events >= queueEvents || q.bytes >= queueBytes {
		return false
	}
	held := q.bytes + q.sending
	return q.budget.Fits(int64(above(held+e.Size()) - above(held)))
}

// above is what of a size counts against the budget.
func above(held int) int { return max(0, held-queueShare) }

// hold changes what the queue has in memory.
func (q *logQueue) hold(bytes, sending int) {
	before := above(q.bytes + q.sending)
	q.bytes, q.sending = bytes, sending
	q.budget.Add(int64(above(bytes+sending) - before))
}

// add appends an event to the last frame, or begins a frame.
func (q *logQueue) add(e observe.LogEvent) {
	size := e.Size()
	q.events++
	q.hold(q.bytes+size, q.sending)
	n := len(q.frames)
	if n == 0 || len(q.frames[n-1].events) >= frameLines || q.frames[n-1].size >= frameBytes {
		q.frames = append(q.frames, queuedFrame{})
		n++
	}
	last := &q.frames[n-1]
	last.events, last.size = append(last.events, e), last.size+size
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
		skipped := q.skipped
		q.skipped = 0
		q.add(observe.LogEvent{Kind: observe.LogSkipped, Count: skipped})
	}
}

// close says that nothing more will be put.
func (q *logQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	signal(q.more)
}

// take waits for events and gives a frame's worth of them; ok is false at the end. What
// was taken before has been sent by then.
func (q *logQueue) take(ctx context.Context) (events []observe.LogEvent, ok bool, err error) {
	q.mu.Lock()
	q.hold(q.bytes, 0)
	q.mu.Unlock()
	signal(q.room)
	for {
		q.mu.Lock()
		if q.events > 0 {
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
	out := q.frames[0]
	q.frames[0] = queuedFrame{} // the slice goes on
	q.frames = q.frames[1:]
	q.events -= len(out.events)
	q.hold(q.bytes-out.size, out.size)
	if q.events == 0 {
		q.frames = nil
		q.tellSkipped()
	}
	return out.events
}

// drop gives all memory back; nobody puts or takes any more.
func (q *logQueue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.frames, q.events = nil, 0
	q.hold(0, 0)
}

// small: it is worth waiting a moment for more.
func (q *logQueue) small() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.events < frameLines && q.bytes < frameBytes && !q.closed
}
