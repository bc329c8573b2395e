package tunnel

import (
	"errors"
	"sync"
	"time"
)

// Why an Inbox takes no more data.
var (
	// ErrGone says that the stream's reader has left.
	ErrGone = errors.New("the stream's reader has left")
	// ErrStalled says that the stream's reader did not keep up.
	ErrStalled = errors.New("the stream's reader does not keep up")
)

const (
	// inboxFrames is how many frames wait for a slow reader.
	inboxFrames = 256
	// patience is how long one slow reader may hold up the tunnel.
	patience = 5 * time.Second
)

// Inbox hands the frames of one stream from the tunnel's reading loop, which calls
// Push and End, to the stream's own goroutine, which ranges over Data and calls
// Leave when it stops.
type Inbox struct {
	data  chan []byte
	gone  chan struct{}
	leave sync.Once
	end   sync.Once

	patience time.Duration
}

// NewInbox makes an empty inbox.
func NewInbox() *Inbox {
	return &Inbox{data: make(chan []byte, inboxFrames), gone: make(chan struct{}), patience: patience}
}

// Push queues data. It waits a while for a full queue, then gives ErrStalled;
// after Leave it gives ErrGone. It must not be called after End.
func (q *Inbox) Push(data []byte) error {
	select {
	case q.data <- data:
		return nil
	case <-q.gone:
		return ErrGone
	default:
	}
	timer := time.NewTimer(q.patience)
	defer timer.Stop()
	select {
	case q.data <- data:
		return nil
	case <-q.gone:
		return ErrGone
	case <-timer.C:
		return ErrStalled
	}
}

// End says that no more data will come; what is queued can still be read.
func (q *Inbox) End() { q.end.Do(func() { close(q.data) }) }

// Data gives what was pushed and is closed by End.
func (q *Inbox) Data() <-chan []byte { return q.data }

// Leave says that nobody reads any more.
func (q *Inbox) Leave() { q.leave.Do(func() { close(q.gone) }) }
