package observe

import (
	"reflect"
	"time"
)

// Kinds of LogEvent.
const (
	// LogLine is a line, or a piece of one longer than maxPiece.
	LogLine = "line"
	// LogNotice is text without a timestamp: what a node says about a log, not what is in it.
	LogNotice = "notice"
	// LogOpened: the node answers; lines come when there are any.
	LogOpened = "opened"
	// LogInterrupted: the stream broke; Cause says why. It will be resumed.
	LogInterrupted = "interrupted"
	// LogResumed follows LogInterrupted; no line was lost or doubled in between.
	LogResumed = "resumed"
	// LogWaiting: the container does not run and will be started; Message says why.
	LogWaiting = "waiting"
	// LogRestarted: what follows is from the container's next life.
	LogRestarted = "restarted"
	// LogEnd: nothing more will come; Cause says why.
	LogEnd = "end"

	// LogSourceAdded announces one of several logs; From says which.
	LogSourceAdded = "source"
	// LogSourceEnd is the LogEnd of one of several logs.
	LogSourceEnd = "sourceEnd"
	// LogLimit: Count more logs match than are read at a time.
	LogLimit = "limit"
	// LogSkipped: Count lines were left out because the reader was too slow for them.
	LogSkipped = "skipped"
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

// LogEvent is one step of a log that is read.
type LogEvent struct {
	Kind string
	// Source is the number of the log that this is about, where several are read.
	Source int
	// From describes the source of LogSourceAdded.
	From LogTarget
	// Time of a LogLine, and Stamp as the node wrote it.
	Time  time.Time
	Stamp string
	// Text of a LogLine or LogNotice, without its newline.
	Text []byte
	// Continued: the line goes on in the source's next event. Continues: it is the
	// rest of a line that began earlier.
	Continued, Continues bool
	// Cause and Message of LogInterrupted, LogWaiting and LogEnd.
	Cause, Message string
	// Count of LogLimit and LogSkipped.
	Count int
}

var eventSize = int(reflect.TypeFor[LogEvent]().Size())

// Size is what the event takes in memory, in bytes.
func (e *LogEvent) Size() int {
	return eventSize + len(e.Stamp) + cap(e.Text) + len(e.Cause) + len(e.Message)
}

// hasText tells lines and notices from the rest.
func (e *LogEvent) hasText() bool { return e.Kind == LogLine || e.Kind == LogNotice }
