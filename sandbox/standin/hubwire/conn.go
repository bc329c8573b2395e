package hubwire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"
)

// The headers by which an edge node introduces itself.
const (
	HeaderNode    = "node_id"
	HeaderProject = "project_id"
	HeaderUse     = "ConnectionUse"
	// UseMessages is the only use whose messages are read.
	UseMessages = "msg"
)

// writeTimeout bounds one write: a link that takes no byte for so long is dead.
const writeTimeout = 15 * time.Second

// ErrClosed is a connection that one side has given up.
var ErrClosed = errors.New("the connection to the edge node was closed")

// Conn sends and receives messages over a WebSocket. Sending is safe from many
// goroutines, receiving from one.
type Conn struct{ ws *websocket.Conn }

// NewConn takes over a WebSocket. The real one has no limit of a message's size.
func NewConn(ws *websocket.Conn) *Conn {
	ws.SetReadLimit(-1)
	return &Conn{ws: ws}
}

// Send sends one message.
func (c *Conn) Send(m Message) error {
	b, err := m.encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	if err := c.ws.Write(ctx, websocket.MessageText, b); err != nil {
		return fmt.Errorf("send %s of %s: %w", m.Route.Operation, m.Route.Resource, err)
	}
	return nil
}

// Receive waits for the next message. The connection is unusable after an error.
func (c *Conn) Receive(ctx context.Context) (Message, error) {
	_, b, err := c.ws.Read(ctx)
	if err != nil {
		return Message{}, fmt.Errorf("read from CloudHub's connection: %w", err)
	}
	return decode(b)
}

// Close drops the connection at once.
func (c *Conn) Close() { _ = c.ws.CloseNow() } // the connection is gone either way
