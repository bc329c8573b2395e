package tunnel

import (
	"context"
	"fmt"
	"time"

	"github.com/coder/websocket"
)

// The tunnel's address on CloudCore and the headers by which an edge node
// introduces itself.
const (
	Path           = "/v1/kubeedge/connect"
	HeaderHostname = "SessionHostNameOverride"
	HeaderIP       = "SessionInternalIP"
)

// writeTimeout bounds one write: a link that takes no byte for so long is dead.
const writeTimeout = 15 * time.Second

// Conn sends and receives frames over a WebSocket. Sending is safe from many
// goroutines, receiving from one.
type Conn struct {
	ws *websocket.Conn
}

// NewConn takes over a WebSocket.
func NewConn(ws *websocket.Conn) *Conn {
	ws.SetReadLimit(-1) // what is too long is cut off by Decode
	return &Conn{ws: ws}
}

// Send writes one frame as one text message. It takes no context on purpose: a
// WebSocket does not survive a write that was broken off, and a stream that ends
// must not take the others with it.
func (c *Conn) Send(f Frame) error {
	if len(f.Data) > MaxData {
		return fmt.Errorf("%w: %d bytes on stream %d", ErrTooLarge, len(f.Data), f.ID)
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	if err := c.ws.Write(ctx, websocket.MessageText, f.Encode()); err != nil {
		return fmt.Errorf("send %s frame of stream %d: %w", f.Type, f.ID, err)
	}
	return nil
}

// Receive waits for the next frame. The tunnel is unusable after an error.
func (c *Conn) Receive(ctx context.Context) (Frame, error) {
	kind, b, err := c.ws.Read(ctx)
	if err != nil {
		return Frame{}, fmt.Errorf("read from the tunnel: %w", err)
	}
	if kind != websocket.MessageText {
		return Frame{}, fmt.Errorf("%w: a %s message, want text", ErrMalformed, kind)
	}
	return Decode(b)
}

// Ping waits for the other side's answer to a ping. Somebody has to be in Receive
// meanwhile. The tunnel is unusable after an error.
func (c *Conn) Ping(ctx context.Context) error {
	if err := c.ws.Ping(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

// Close drops the connection at once, without a farewell that a dead link could
// not deliver.
func (c *Conn) Close() {
	// The connection is gone either way.
	_ = c.ws.CloseNow()
}
