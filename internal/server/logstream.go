package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/edgeway-io/edgeway/internal/observe"
)

const (
	// A frame is sent when it holds this much, or when nothing more comes for frameWait.
	frameLines = 1000
	frameBytes = 256 << 10
	frameWait  = 40 * time.Millisecond
	// maxUnacked frames may be on their way: a browser that cannot keep up slows
	// the log down instead of filling memory here or there.
	maxUnacked = 4
	pingEvery  = 20 * time.Second
	// writeTimeout ends a stream whose browser takes nothing any more.
	writeTimeout = 30 * time.Second
)

// LogFrame is one WebSocket message of a log stream.
type LogFrame struct {
	// Seq is to be acknowledged.
	Seq   int64         `json:"seq"`
	Lines []LogFrameRow `json:"lines,omitempty"`
	// Event is interrupted, resumed or end.
	Event   string `json:"event,omitempty"`
	Cause   string `json:"cause,omitempty"`
	Message string `json:"message,omitempty"`
}

// LogFrameRow is one line. What is not valid UTF-8 arrives as U+FFFD.
type LogFrameRow struct {
	Time string `json:"t,omitempty"`
	Text string `json:"s"`
	// Notice: said by the node, not by the container.
	Notice bool `json:"n,omitempty"`
	// Continued: the line goes on in the next row.
	Continued bool `json:"c,omitempty"`
}

type ackMessage struct {
	Ack int64 `json:"ack"`
}

// serveLog follows a log over a WebSocket until one side ends it or the session is over.
func (s *Server) serveLog(w http.ResponseWriter, r *http.Request, sess *session, src observe.LogSource, opts observe.LogOptions) {
	// The origin has been checked already, against the external URL as well.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithCancel(sess.ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	events := make(chan observe.LogEvent, 256)
	sender := &logSender{conn: conn, acked: make(chan struct{}, 1)}
	group.Go(func() error {
		defer close(events)
		return observe.NewFollower(src, opts, func(e observe.LogEvent) error {
			select {
			case events <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}).Run(ctx)
	})
	group.Go(func() error { return sender.run(ctx, events) })
	go func() { // ends with the connection, and ends everything with it
		defer cancel()
		// Not with ctx: a read that is cancelled takes the connection down before
		// the browser has been told why.
		sender.readAcks(context.WithoutCancel(ctx))
	}()
	go ping(ctx, conn)
	if err := group.Wait(); err != nil {
		s.log.Debug("log stream ended", "error", err)
	}
	if sess.ctx.Err() != nil {
		conn.Close(websocket.StatusPolicyViolation, "session over")
		return
	}
	conn.Close(websocket.StatusNormalClosure, "")
}

// ping notices browsers that vanished without a word.
func ping(ctx context.Context, conn *websocket.Conn) {
	t := time.NewTicker(pingEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := conn.Ping(ctx); err != nil && ctx.Err() == nil {
				conn.CloseNow()
				return
			}
		}
	}
}

type logSender struct {
	conn  *websocket.Conn
	seq   int64
	ack   atomic.Int64
	acked chan struct{}
}

func (l *logSender) readAcks(ctx context.Context) {
	for {
		_, raw, err := l.conn.Read(ctx)
		if err != nil {
			return
		}
		var m ackMessage
		if json.Unmarshal(raw, &m) != nil || m.Ack <= l.ack.Load() {
			continue
		}
		l.ack.Store(m.Ack)
		select {
		case l.acked <- struct{}{}:
		default:
		}
	}
}

// run packs events into frames.
func (l *logSender) run(ctx context.Context, events <-chan observe.LogEvent) error {
	for {
		e, ok := <-events
		if !ok {
			return nil
		}
		frame, rest, open := collect(e, events)
		if len(frame.Lines) > 0 {
			if err := l.send(ctx, frame); err != nil {
				return err
			}
		}
		if rest != nil {
			if err := l.send(ctx, LogFrame{Event: rest.Kind, Cause: rest.Cause, Message: rest.Message}); err != nil {
				return err
			}
		}
		if !open {
			return nil
		}
	}
}

// collect gathers lines that come close together; rest is an event that ends the frame.
func collect(first observe.LogEvent, events <-chan observe.LogEvent) (frame LogFrame, rest *observe.LogEvent, open bool) {
	size := 0
	timer := time.NewTimer(frameWait)
	defer timer.Stop()
	e := first
	for {
		if e.Kind != observe.LogLine && e.Kind != observe.LogNotice {
			return frame, &e, true
		}
		frame.Lines = append(frame.Lines, rowOf(e))
		if size += len(e.Text); len(frame.Lines) >= frameLines || size >= frameBytes {
			return frame, nil, true
		}
		select {
		case next, ok := <-events:
			if !ok {
				return frame, nil, false
			}
			e = next
		case <-timer.C:
			return frame, nil, true
		}
	}
}

func rowOf(e observe.LogEvent) LogFrameRow {
	row := LogFrameRow{
		Text:   strings.ToValidUTF8(string(e.Text), "\uFFFD"),
		Notice: e.Kind == observe.LogNotice, Continued: e.Continued,
	}
	if !e.Time.IsZero() {
		row.Time = e.Time.UTC().Format(time.RFC3339Nano)
	}
	return row
}

func (l *logSender) send(ctx context.Context, f LogFrame) error {
	for l.seq-l.ack.Load() >= maxUnacked {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.acked:
		}
	}
	l.seq++
	f.Seq = l.seq
	raw, err := json.Marshal(f)
	if err != nil {
		return err
	}
	// Not with ctx: a write that is cancelled takes the connection down before the
	// browser has been told why.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	return l.conn.Write(ctx, websocket.MessageText, raw)
}
