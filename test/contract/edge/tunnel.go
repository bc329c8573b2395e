package edge

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"

	"github.com/edgeway-io/edgeway/test/contract/wire"
)

// Tunnel says how to open a stream tunnel, and as whom.
type Tunnel struct {
	Address string
	TLS     *tls.Config
	// Node and IP are what the headers say; an empty one is left out.
	Node, IP string
	// Path is the tunnel's own when empty.
	Path string
}

// TunnelConn is an open tunnel. One goroutine receives.
type TunnelConn struct{ ws *websocket.Conn }

// Dial opens the tunnel. The HTTP status is 101 when it worked.
func (t Tunnel) Dial(ctx context.Context) (*TunnelConn, int, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	header := http.Header{}
	if t.Node != "" {
		header.Set("SessionHostNameOverride", t.Node)
	}
	if t.IP != "" {
		header.Set("SessionInternalIP", t.IP)
	}
	path := t.Path
	if path == "" {
		path = "/v1/kubeedge/connect"
	}
	ws, resp, err := websocket.Dial(ctx, "wss://"+t.Address+path, &websocket.DialOptions{HTTPHeader: header,
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: t.TLS}}})
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	if err != nil {
		return nil, status, fmt.Errorf("open a tunnel as %s: %w", t.Node, err)
	}
	ws.SetReadLimit(-1)
	return &TunnelConn{ws: ws}, status, nil
}

// Leave ends the tunnel without a farewell.
func (c *TunnelConn) Leave() { _ = c.ws.CloseNow() } // it is gone either way

// Send sends one frame as a text message.
func (c *TunnelConn) Send(f wire.Frame) error { return c.SendRaw(websocket.MessageText, f.Encode()) }

// SendRaw sends any message.
func (c *TunnelConn) SendRaw(kind websocket.MessageType, b []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.ws.Write(ctx, kind, b)
}

// TrySend sends one frame within the time, and ends the tunnel when that fails.
func (c *TunnelConn) TrySend(f wire.Frame, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageText, f.Encode())
}

// Ping waits for the other side's answer; somebody must receive meanwhile.
func (c *TunnelConn) Ping(ctx context.Context) error { return c.ws.Ping(ctx) }

// Receive waits for the next frame.
func (c *TunnelConn) Receive(ctx context.Context) (wire.Frame, error) {
	kind, b, err := c.ws.Read(ctx)
	if err != nil {
		return wire.Frame{}, fmt.Errorf("read from the tunnel: %w", err)
	}
	if kind != websocket.MessageText {
		return wire.Frame{}, fmt.Errorf("%w: a %s message", wire.ErrMalformed, kind)
	}
	return wire.DecodeFrame(b)
}

// Opening is what a frame that opens a stream carries.
type Opening struct {
	ID     uint64      `json:"MessID"`
	URL    url.URL     `json:"url"`
	Header http.Header `json:"header"`
	Method string      `json:"method"`
}

// ParseOpening reads it.
func ParseOpening(f wire.Frame) (Opening, error) {
	var o Opening
	if err := json.Unmarshal(f.Data, &o); err != nil {
		return o, fmt.Errorf("%w: %q: %w", wire.ErrMalformed, f.Data, err)
	}
	return o, nil
}
