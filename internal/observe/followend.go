package observe

import (
	"context"
	"errors"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// firstProbe is how long a node may take to open a log before we ask whether it
	// is there: one that has nothing to say yet may not even say so.
	firstProbe = time.Second
	// quietBeforeProbe is how long a followed log may be silent before we ask
	// whether anybody is still there: CloudCore has no read deadline on a tunnel,
	// so a black-holed link would otherwise look like a container with nothing to say.
	quietBeforeProbe = 5 * time.Second
	// probeTimeout for one of two probes: a dead link is told after 13 s.
	probeTimeout = 4 * time.Second
)

// watch ends the connection with ErrNoAnswer when a silent log's node does not
// answer two probes in a row.
func (f *Follower) watch(ctx context.Context, heard <-chan struct{}, end context.CancelCauseFunc) {
	wait := f.pause.first
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-heard:
			timer.Stop()
		case <-timer.C:
			if !f.probe(ctx) && !f.probe(ctx) {
				end(ErrNoAnswer)
				return
			}
			if ctx.Err() != nil || f.open() != nil {
				return
			}
		}
		wait = f.pause.quiet
	}
}

// probe asks for one byte of the same log over the same way. A container that has
// written nothing yet answers with nothing, which is an answer all the same. It
// needs no other right than the log itself.
//
// Where lines of the log came already, nothing is no answer: a CloudCore whose tunnel
// to the node is closed answers any log with status 200 and an empty body.
func (f *Follower) probe(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, f.pause.probeTimeout)
	defer cancel()
	return reachable(ctx, f.src, f.opts, !f.seen.last.IsZero())
}

// Reachable tells whether a log's node answers now.
func Reachable(ctx context.Context, src LogSource, o LogOptions) bool {
	return reachable(ctx, src, o, false)
}

// reachable wants a byte of a log that is known to have one.
func reachable(ctx context.Context, src LogSource, o LogOptions, written bool) bool {
	one := int64(1)
	o.Follow, o.Tail, o.LimitBytes, o.Since, o.Timestamps = false, &one, &one, nil, false
	body, err := src.Open(ctx, o)
	if err != nil {
		// Whoever refuses is there.
		final, _ := finalError(err)
		return final
	}
	defer body.Close()
	n, err := io.Copy(io.Discard, body)
	return err == nil && (n > 0 || !written)
}

// judge decides after a connection's end whether to go on, and tells the reader.
func (f *Follower) judge(ctx context.Context, rest *LogEvent, broken error) (done bool, err error) {
	if final, cause := finalError(broken); final {
		if !f.opts.Follow || !apierrors.IsBadRequest(broken) {
			return true, f.end(rest, cause, broken.Error())
		}
		// A container that is not there yet is refused like a wrong name.
	}
	if broken == nil && !f.probe(ctx) {
		broken = ErrNoAnswer // the log's end was the tunnel's
	}
	if broken == nil && !f.opts.Follow {
		return true, f.end(rest, CauseComplete, "")
	}
	state, stateErr := f.src.State(ctx, f.opts)
	if final, cause := finalError(stateErr); final {
		return true, f.end(rest, cause, stateErr.Error())
	}
	switch {
	case stateErr == nil && (broken == nil || apierrors.IsBadRequest(broken)):
		if apierrors.IsBadRequest(broken) && !state.Returns {
			return true, f.end(rest, CauseRefused, broken.Error())
		}
		return f.afterEnd(ctx, rest, state)
	case f.cut:
		return false, nil // told already
	}
	f.cut = true // nobody else speaks between two connections
	ev := LogEvent{Kind: LogInterrupted, Cause: CauseNodeDown}
	if state.Edge {
		ev.Cause = CauseTunnelDown
	}
	if err := errors.Join(broken, stateErr); err != nil {
		ev.Message = err.Error()
	}
	return false, f.say(ev)
}

// end gives out what is left, and says that nothing more will come.
func (f *Follower) end(rest *LogEvent, cause, message string) error {
	if rest != nil {
		if err := f.say(*rest); err != nil {
			return err
		}
	}
	return f.say(LogEvent{Kind: LogEnd, Cause: cause, Message: message})
}

// afterEnd goes on after a log that ended although its node answers: the container
// has ended, or will be started again.
func (f *Follower) afterEnd(ctx context.Context, rest *LogEvent, state ContainerState) (done bool, err error) {
	switch {
	case state.Running && !f.restarted(state):
		// It has ended just now and the cluster does not know yet, or the tunnel came
		// back before we asked. What rest holds will be read again.
		return false, f.nodeSays(rest)
	case !state.Running && !state.Returns:
		return true, f.end(rest, CauseContainerEnded, state.Detail)
	}
	if rest != nil && rest.Kind == LogLine {
		f.seen.add(f.seen.mark(rest.Time, rest.Text), rest.Time)
		if err := f.say(*rest); err != nil {
			return true, err
		}
	}
	if !state.Running {
		if err := f.say(LogEvent{Kind: LogWaiting, Message: state.Detail}); err != nil {
			return true, err
		}
	}
	for !state.Running {
		if err := sleep(ctx, f.pause.start); err != nil {
			return true, err
		}
		next, err := f.src.State(ctx, f.opts)
		if final, cause := finalError(err); final {
			return true, f.end(nil, cause, err.Error())
		}
		if err != nil {
			continue
		}
		if state = next; !state.Running && !state.Returns {
			return true, f.end(nil, CauseContainerEnded, state.Detail)
		}
	}
	return false, f.say(LogEvent{Kind: LogRestarted})
}

// nodeSays tells once what a node answers instead of a log.
func (f *Follower) nodeSays(rest *LogEvent) error {
	if rest == nil || rest.Kind != LogNotice || len(rest.Text) == 0 || rest.Text[0] >= '0' && rest.Text[0] <= '9' {
		return nil // nothing, or a timestamp that was cut off
	}
	text := string(rest.Text)
	if text == f.said {
		return nil
	}
	f.said = text
	return f.say(LogEvent{Kind: LogWaiting, Message: text})
}

// restarted: it started after the last line that we have.
func (f *Follower) restarted(s ContainerState) bool {
	return s.Started != nil && !f.seen.last.IsZero() && s.Started.After(f.seen.last)
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
