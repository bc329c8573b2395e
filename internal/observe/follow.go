package observe

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Kinds of LogEvent.
const (
	// LogLine is a line, or a piece of one longer than maxPiece.
	LogLine = "line"
	// LogNotice is text without a timestamp: what a node says about a log, not what is in it.
	LogNotice = "notice"
	// LogInterrupted: the stream broke; Cause says why. It will be resumed.
	LogInterrupted = "interrupted"
	// LogResumed follows LogInterrupted; no line was lost or doubled in between.
	LogResumed = "resumed"
	// LogEnd: nothing more will come; Cause says why.
	LogEnd = "end"
)

// Causes of LogInterrupted and LogEnd.
const (
	CauseTunnelDown     = "TunnelDown"
	CauseNodeDown       = "NodeUnreachable"
	CauseContainerEnded = "ContainerEnded"
	CauseComplete       = "Complete"
	CausePodGone        = "PodGone"
	CauseRefused        = "Refused"
)

const (
	// maxPiece bounds what is kept of one line at a time.
	maxPiece = 64 << 10
	// retryAfter is the pause between two tries to resume.
	retryAfter = time.Second
	// quietBeforeProbe is how long a followed log may be silent before we ask
	// whether anybody is still there: CloudCore has no read deadline on a tunnel,
	// so a black-holed link would otherwise look like a container with nothing to say.
	quietBeforeProbe = 6 * time.Second
	probeTimeout     = 5 * time.Second
)

// LogEvent is one step of a followed log.
type LogEvent struct {
	Kind string
	// Time of a LogLine.
	Time time.Time
	// Text of a LogLine or LogNotice, without its newline.
	Text []byte
	// Continued: the line goes on in the next event.
	Continued bool
	// Cause and Message of LogInterrupted and LogEnd.
	Cause, Message string
}

// Follower reads a log to its end, or for ever, and bridges interruptions.
type Follower struct {
	src  LogSource
	opts LogOptions
	emit func(LogEvent) error

	// Pauses, changed by tests.
	retryAfter, quiet, probeTimeout time.Duration

	last  time.Time // of the last line given out
	count int       // lines given out with exactly that time
	cut   bool      // the last connection was interrupted
}

// NewFollower reads what opts choose from src. emit is called from one goroutine;
// it may block, which holds the log back, and its error ends Run.
func NewFollower(src LogSource, opts LogOptions, emit func(LogEvent) error) *Follower {
	opts.Timestamps = true // they let us resume without doubles and tell notices apart
	return &Follower{
		src: src, opts: opts, emit: emit,
		retryAfter: retryAfter, quiet: quietBeforeProbe, probeTimeout: probeTimeout,
	}
}

// Run returns after LogEnd, when ctx ends, or with emit's error.
func (f *Follower) Run(ctx context.Context) error {
	for {
		broken, err := f.connect(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		done, err := f.judge(ctx, broken)
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.retryAfter):
		}
	}
}

// connect opens the log once and reads it until it ends. broken is why it ended,
// nil at a clean end of file; err ends everything.
func (f *Follower) connect(ctx context.Context) (broken, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	o := f.opts
	if since := f.last; !since.IsZero() {
		o.Since, o.Tail = &since, nil
	}
	body, err := f.src.Open(ctx, o)
	if err != nil {
		return err, nil
	}
	defer body.Close()
	if f.cut {
		f.cut = false
		if err := f.emit(LogEvent{Kind: LogResumed}); err != nil {
			return nil, err
		}
	}
	heard := make(chan struct{}, 1)
	if o.Follow {
		go f.watch(ctx, heard, func() {
			cancel(ErrNoAnswer)
			body.Close()
		})
	}
	broken, err = f.read(body, heard)
	if errors.Is(context.Cause(ctx), ErrNoAnswer) {
		broken = ErrNoAnswer
	}
	return broken, err
}

// read gives out lines, leaving out those of an earlier connection.
func (f *Follower) read(body io.Reader, heard chan<- struct{}) (broken, err error) {
	r := bufio.NewReaderSize(body, maxPiece)
	resumeAt, skip := f.last, f.count
	var ev LogEvent
	drop, more := false, false
	for {
		piece, prefix, readErr := r.ReadLine()
		if readErr != nil {
			if errors.Is(readErr, io.EOF) {
				return nil, nil
			}
			return readErr, nil
		}
		select {
		case heard <- struct{}{}:
		default:
		}
		if !more {
			ev = parseLine(piece)
			drop = false
			if ev.Kind == LogLine && !resumeAt.IsZero() {
				if same := ev.Time.Equal(resumeAt); same && skip > 0 {
					skip--
					drop = true
				} else {
					drop = ev.Time.Before(resumeAt)
				}
			}
			if !drop && ev.Kind == LogLine {
				f.note(ev.Time)
			}
		} else {
			ev.Text = bytes.Clone(piece)
		}
		more, ev.Continued = prefix, prefix
		if drop {
			continue
		}
		if err := f.emit(ev); err != nil {
			return nil, err
		}
	}
}

func (f *Follower) note(t time.Time) {
	if t.Equal(f.last) {
		f.count++
		return
	}
	f.last, f.count = t, 1
}

// parseLine splits the timestamp off. What has none does not come from the container.
func parseLine(b []byte) LogEvent {
	stamp, text, ok := bytes.Cut(b, []byte(" "))
	if t, err := time.Parse(time.RFC3339Nano, string(stamp)); err == nil && (ok || len(text) == 0) {
		return LogEvent{Kind: LogLine, Time: t, Text: bytes.Clone(text)}
	}
	return LogEvent{Kind: LogNotice, Text: bytes.Clone(b)}
}

// watch calls gone when a silent log's node does not answer two probes in a row.
func (f *Follower) watch(ctx context.Context, heard <-chan struct{}, gone func()) {
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-heard:
			failures = 0
		case <-time.After(f.quiet):
			if f.probe(ctx) {
				failures = 0
				continue
			}
			if failures++; failures == 2 && ctx.Err() == nil {
				gone()
				return
			}
		}
	}
}

// probe asks for one byte of the same log over the same way. A container that has
// written nothing yet answers with nothing, which is an answer all the same.
func (f *Follower) probe(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, f.probeTimeout)
	defer cancel()
	one := int64(1)
	o := f.opts
	o.Follow, o.Tail, o.LimitBytes, o.Since = false, &one, &one, nil
	body, err := f.src.Open(ctx, o)
	if err != nil {
		return apierrors.IsForbidden(err)
	}
	defer body.Close()
	_, err = io.Copy(io.Discard, body)
	return err == nil
}

// judge decides after a connection's end whether to go on, and tells the reader.
func (f *Follower) judge(ctx context.Context, broken error) (done bool, err error) {
	if final, cause := finalError(broken); final {
		return true, f.emit(LogEvent{Kind: LogEnd, Cause: cause, Message: broken.Error()})
	}
	if broken == nil && !f.opts.Follow {
		return true, f.emit(LogEvent{Kind: LogEnd, Cause: CauseComplete})
	}
	state, stateErr := f.src.State(ctx, f.opts)
	if final, cause := finalError(stateErr); final {
		return true, f.emit(LogEvent{Kind: LogEnd, Cause: cause, Message: stateErr.Error()})
	}
	if broken == nil && stateErr == nil && !state.Running {
		return true, f.emit(LogEvent{Kind: LogEnd, Cause: CauseContainerEnded, Message: state.Detail})
	}
	if f.cut {
		return false, nil // told already
	}
	f.cut = true
	ev := LogEvent{Kind: LogInterrupted, Cause: CauseNodeDown}
	if state.Edge {
		ev.Cause = CauseTunnelDown
	}
	if err := errors.Join(broken, stateErr); err != nil {
		ev.Message = err.Error()
	}
	return false, f.emit(ev)
}

// finalError tells errors that a later try will not mend.
func finalError(err error) (bool, string) {
	switch {
	case err == nil:
		return false, ""
	case apierrors.IsNotFound(err):
		return true, CausePodGone
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), apierrors.IsBadRequest(err):
		return true, CauseRefused
	}
	return false, ""
}
