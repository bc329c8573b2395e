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
	// A frame holds at most this much; small ones are sent every frameWait.
	frameLines = 1000
	frameBytes = 128 << 10
	frameWait  = 20 * time.Millisecond
	// maxUnacked frames may be on their way: a browser that cannot keep up slows
	// the log down instead of filling memory here or there.
	maxUnacked = 4
	pingEvery  = 20 * time.Second
	// writeTimeout ends a stream whose browser takes nothing any more.
	writeTimeout = 30 * time.Second
)

// LogFrame is one WebSocket message of a log stream: lines, then an event.
type LogFrame struct {
	// Seq is to be acknowledged.
	Seq   int64         `json:"seq"`
	Lines []LogFrameRow `json:"lines,omitempty"`
	// Event is a kind of observe.LogEvent that is no line; Source is whose.
	Event   string `json:"event,omitempty"`
	Source  int    `json:"source,omitempty"`
	Cause   string `json:"cause,omitempty"`
	Message string `json:"message,omitempty"`
	Count   int    `json:"count,omitempty"`
	// From describes a new source.
	From *LogFrom `json:"from,omitempty"`
}

// LogFrom is one of several logs.
type LogFrom struct {
	Pod       string `json:"pod"`
	Container string `json:"container"`
	Node      string `json:"node"`
}

// LogFrameRow is one line. What is not valid UTF-8 arrives as U+FFFD.
type LogFrameRow struct {
	Time string `json:"t,omitempty"`
	Text string `json:"s"`
	// Source is the number of its log, where there are several.
	Source int `json:"o,omitempty"`
	// Notice: said by the node, not by the container.
	Notice bool `json:"n,omitempty"`
	// Continued: the line goes on in the source's next row. Continues: it began in
	// an earlier one.
	Continued bool `json:"c,omitempty"`
	Continues bool `json:"k,omitempty"`
}

type ackMessage struct {
	Ack int64 `json:"ack"`
}

// readLog reads one log or several until their end, and gives out what it reads.
type readLog func(ctx context.Context, emit func(observe.LogEvent) error) error

// serveLog sends a log over a WebSocket until one side ends it or the session is over.
func (s *Server) serveLog(w http.ResponseWriter, r *http.Request, sess *session, follow bool, read readLog) {
	// The origin has been checked already, against the external URL as well.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithCancel(sess.ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	queue := newLogQueue(follow, time.Now(), s.capacity.logs)
	defer queue.drop()
	sender := &logSender{conn: conn, acked: make(chan struct{}, 1)}
	group.Go(func() error {
		defer queue.close()
		return read(ctx, func(e observe.LogEvent) error { return queue.put(ctx, e) })
	})
	group.Go(func() error { return sender.run(ctx, queue) })
	go func() { // ends with the connection, and ends everything with it
		defer cancel()
		// Not with ctx: a read that is canceled takes the connection down before
		// the browser has been told why.
		sender.readAcks(context.WithoutCancel(ctx))
	}()
	go ping(ctx, conn)
	if err := group.Wait(); err != nil {
		s.log.Debug("log stream ended", "error", err)
	}
	closeFor(conn, sess)
}

// closeFor tells the browser why a stream ends: with the error's code where the session
// is over. A close frame has room for 123 bytes.
func closeFor(conn *websocket.Conn, sess *session) {
	if sess.ctx.Err() != nil {
		conn.Close(websocket.StatusPolicyViolation, sess.why().Code)
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
func (l *logSender) run(ctx context.Context, queue *logQueue) error {
	for {
		events, ok, err := queue.take(ctx)
		if !ok {
			return err
		}
		if err := l.sendAll(ctx, events); err != nil {
			return err
		}
		if queue.small() {
			select {
			case <-time.After(frameWait):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// sendAll sends lines together and ends a frame at every other event.
func (l *logSender) sendAll(ctx context.Context, events []observe.LogEvent) error {
	var frame LogFrame
	for _, e := range events {
		if e.Kind == observe.LogLine || e.Kind == observe.LogNotice {
			frame.Lines = append(frame.Lines, rowOf(e))
			continue
		}
		frame.Event, frame.Source, frame.Cause, frame.Message, frame.Count = e.Kind, e.Source, e.Cause, e.Message, e.Count
		if e.Kind == observe.LogSourceAdded {
			frame.From = &LogFrom{Pod: e.From.Pod, Container: e.From.Container, Node: e.From.Node}
		}
		if err := l.send(ctx, frame); err != nil {
			return err
		}
		frame = LogFrame{}
	}
	if len(frame.Lines) == 0 {
		return nil
	}
	return l.send(ctx, frame)
}

func rowOf(e observe.LogEvent) LogFrameRow {
	return LogFrameRow{
		Time: e.Stamp, Text: strings.ToValidUTF8(string(e.Text), "\uFFFD"), Source: e.Source,
		Notice: e.Kind == observe.LogNotice, Continued: e.Continued, Continues: e.Continues,
	}
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
	// Not with ctx: a write that is canceled takes the connection down before the
	// browser has been told why.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	return l.conn.Write(ctx, websocket.MessageText, raw)
}
