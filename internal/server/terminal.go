package server

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/coder/websocket"
	"k8s.io/client-go/tools/remotecommand"
)

// terminalMessage bounds what a browser may send at once, in bytes: a paste.
const terminalMessage = 1 << 20

// TerminalEnd is the last message of a terminal.
type TerminalEnd struct {
	// Code is Ended, or why it could not begin or go on.
	Code     string `json:"code"`
	ExitCode *int   `json:"exitCode,omitempty"`
	Message  string `json:"message,omitempty"`
	Remedy   string `json:"remedy,omitempty"`
}

type terminalSize struct {
	Columns uint16 `json:"columns"`
	Rows    uint16 `json:"rows"`
}

// terminal is the browser's end of an exec.
type terminal struct {
	conn  *websocket.Conn
	typed *io.PipeReader
	keys  *io.PipeWriter
	sizes chan remotecommand.TerminalSize
	done  chan struct{}
}

func newTerminal(columns, rows uint16) *terminal {
	t := &terminal{sizes: make(chan remotecommand.TerminalSize, 1), done: make(chan struct{})}
	t.typed, t.keys = io.Pipe()
	t.sizes <- remotecommand.TerminalSize{Width: columns, Height: rows}
	return t
}

// Next is the size when it changes; nil at the end.
func (t *terminal) Next() *remotecommand.TerminalSize {
	select {
	case s := <-t.sizes:
		return &s
	case <-t.done:
		return nil
	}
}

// Write shows what the program writes. A browser that takes nothing ends it.
func (t *terminal) Write(b []byte) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	if err := t.conn.Write(ctx, websocket.MessageBinary, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// readAll passes on what is typed, and sizes, until the browser leaves.
func (t *terminal) readAll(ctx context.Context) {
	defer close(t.done)
	defer t.keys.Close()
	t.conn.SetReadLimit(terminalMessage)
	for {
		kind, raw, err := t.conn.Read(ctx)
		if err != nil {
			return
		}
		if kind == websocket.MessageBinary {
			if _, err := t.keys.Write(raw); err != nil {
				return
			}
			continue
		}
		var size terminalSize
		if json.Unmarshal(raw, &size) == nil && size.Columns > 0 && size.Rows > 0 {
			t.resize(remotecommand.TerminalSize{Width: size.Columns, Height: size.Rows})
		}
	}
}

// resize keeps the newest size only.
func (t *terminal) resize(s remotecommand.TerminalSize) {
	for {
		select {
		case t.sizes <- s:
			return
		default:
		}
		select {
		case <-t.sizes:
		default:
		}
	}
}

func (t *terminal) say(end TerminalEnd) {
	raw, err := json.Marshal(end)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = t.conn.Write(ctx, websocket.MessageText, raw) // it may have left
}
