package edge

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/edgeway-io/edgeway/test/contract/wire"
)

// Project is EdgeCore's default project_id.
const Project = "e632aba927ea4ac2b575ec1603d56f10"

// ErrClosed is a connection that CloudCore closed.
var ErrClosed = errors.New("the connection was closed")

// Hub says how to reach CloudHub, and as whom.
type Hub struct {
	Address string // host:port
	TLS     *tls.Config
	Node    string // what the header node_id says
	// PathNode is the name in the URL's path, Node when empty.
	PathNode string
	// Use is the header ConnectionUse: msg when empty, left out when it is a dash.
	Use string
	// NoKeepalive leaves out what EdgeCore sends every 15 s.
	NoKeepalive bool
	// NoAck leaves out the answers to messages that want one.
	NoAck bool
}

// Conn is a connection to CloudHub. What arrives is kept, in its order.
type Conn struct {
	ws     *websocket.Conn
	hub    Hub
	send   sync.Mutex
	mu     sync.Mutex
	got    []wire.Message
	news   chan struct{} // closed and replaced when something arrives
	err    error
	closed chan struct{}
}

// Dial connects as EdgeCore does: the names are in headers, the path repeats them.
func (h Hub) Dial(ctx context.Context) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	header := http.Header{"Node_id": {h.Node}, "Project_id": {Project}, "Connectionuse": {"msg"}}
	switch h.Use {
	case "":
	case "-":
		header.Del("ConnectionUse")
	default:
		header.Set("ConnectionUse", h.Use)
	}
	path := h.PathNode
	if path == "" {
		path = h.Node
	}
	url := fmt.Sprintf("wss://%s/%s/%s/events", h.Address, Project, path)
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: header,
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: h.TLS}}})
	if err != nil {
		return nil, fmt.Errorf("connect to CloudHub as %s: %w", h.Node, err)
	}
	ws.SetReadLimit(-1)
	c := &Conn{ws: ws, hub: h, news: make(chan struct{}), closed: make(chan struct{})}
	go c.read()
	if !h.NoKeepalive {
		go c.keepalive()
	}
	return c, nil
}

// Leave ends the connection without a farewell.
func (c *Conn) Leave() { _ = c.ws.CloseNow() } // it is gone either way

// Closed is closed when the connection has ended, whoever ended it.
func (c *Conn) Closed() <-chan struct{} { return c.closed }

func (c *Conn) read() {
	defer close(c.closed)
	for {
		m, err := c.receive()
		c.mu.Lock()
		if err != nil {
			c.err = fmt.Errorf("%w: %w", ErrClosed, err)
		} else {
			c.got = append(c.got, m)
		}
		close(c.news)
		c.news = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
		if !c.hub.NoAck && m.Route.Operation != "response" {
			_ = c.Ack(m) // a connection that broke shows in the next read
		}
	}
}

func (c *Conn) receive() (wire.Message, error) {
	ctx := context.Background()
	_, b, err := c.ws.Read(ctx)
	if err != nil {
		return wire.Message{}, err
	}
	return wire.Decode(b)
}

// Ack answers a message as EdgeCore does once it has stored it.
func (c *Conn) Ack(m wire.Message) error {
	return c.Send(wire.Message{Header: wire.Header{Parent: m.Header.ID}, Content: wire.Text("OK"),
		Route: wire.Route{Source: "metaManager", Group: "resource", Operation: "response", Resource: m.Route.Resource}})
}

func (c *Conn) keepalive() {
	// EdgeCore has 15 s and CloudCore 30; the suite shortens both.
	const every = 5 * time.Second
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := c.Keepalive(); err != nil {
			return
		}
		select {
		case <-c.closed:
			return
		case <-ticker.C:
		}
	}
}

// Keepalive sends what EdgeCore sends every 15 s.
func (c *Conn) Keepalive() error {
	return c.Send(wire.Message{Content: wire.Text("ping"),
		Route: wire.Route{Source: "websocket", Group: "resource", Operation: "keepalive", Resource: "node"}})
}

// Send sends a message; a missing ID and time are filled in.
func (c *Conn) Send(m wire.Message) error {
	if m.Header.ID == "" {
		m.Header.ID = rand.Text()
	}
	m.Header.Timestamp = time.Now().UnixMilli()
	b, err := m.Encode()
	if err != nil {
		return err
	}
	if err := c.SendRaw(b); err != nil {
		return fmt.Errorf("send %s %s: %w", m.Route.Operation, m.Route.Resource, err)
	}
	return nil
}

// SendRaw sends any bytes as one message.
func (c *Conn) SendRaw(b []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c.send.Lock()
	defer c.send.Unlock()
	return c.ws.Write(ctx, websocket.MessageText, b)
}

// Ask sends a message and waits for the answer to it.
func (c *Conn) Ask(ctx context.Context, m wire.Message) (wire.Message, error) {
	m.Header.ID = rand.Text()
	if err := c.Send(m); err != nil {
		return wire.Message{}, err
	}
	return c.Wait(ctx, func(a wire.Message) bool { return a.Header.Parent == m.Header.ID })
}

// Wait gives the first message that the function wants, of those that came before
// also. It ends with ctx and with the connection.
func (c *Conn) Wait(ctx context.Context, want func(wire.Message) bool) (wire.Message, error) {
	for seen := 0; ; {
		c.mu.Lock()
		got, news, err := c.got, c.news, c.err
		c.mu.Unlock()
		for ; seen < len(got); seen++ {
			if want(got[seen]) {
				return got[seen], nil
			}
		}
		if err != nil {
			return wire.Message{}, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return wire.Message{}, fmt.Errorf("wait for a message to %s: %w", c.hub.Node, ctx.Err())
		}
	}
}

// Messages gives what has arrived so far.
func (c *Conn) Messages() []wire.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]wire.Message(nil), c.got...)
}
