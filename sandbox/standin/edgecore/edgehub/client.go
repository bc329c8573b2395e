// Package edgehub keeps EdgeCore's connection to CloudHub. The stand-in acts on nothing
// that comes through it but the acknowledgment that CloudHub waits for: its kubelet asks
// the API by itself, through the Gate that is open while there is a connection.
package edgehub

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/edgeway-io/edgeway/sandbox/standin/hubwire"
)

const (
	// redial is the pause after an attempt that failed.
	redial      = 5 * time.Second
	dialTimeout = 30 * time.Second
)

// Client keeps one node's connection open.
type Client struct {
	// Server is HOST:PORT of CloudHub.
	Server        string
	TLS           *tls.Config
	Project, Node string
	// Heartbeat is the time between two keepalives.
	Heartbeat time.Duration
	// Gate is open while there is a connection.
	Gate *Gate
}

// Run dials and serves until ctx ends. A connection that broke is dialed again after two
// heartbeats.
func (c *Client) Run(ctx context.Context) error {
	log := slog.With("node", c.Node, "server", c.Server)
	for ctx.Err() == nil {
		pause := redial
		conn, err := c.dial(ctx)
		if err == nil {
			log.Info("connected to CloudHub")
			err = c.serve(ctx, conn)
			pause = 2 * c.Heartbeat
		}
		log.Warn("no connection to CloudHub", "err", err, "again in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

func (c *Client) dial(ctx context.Context) (*hubwire.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	header := http.Header{}
	header.Set(hubwire.HeaderNode, c.Node)
	header.Set(hubwire.HeaderProject, c.Project)
	header.Set(hubwire.HeaderUse, hubwire.UseMessages)
	url := fmt.Sprintf("wss://%s/%s/%s/events", c.Server, c.Project, c.Node)
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: header,
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: c.TLS, DisableKeepAlives: true}}})
	if err != nil {
		return nil, fmt.Errorf("dial CloudHub: %w", err)
	}
	return hubwire.NewConn(ws), nil
}

// serve keeps a connection until it breaks.
func (c *Client) serve(ctx context.Context, conn *hubwire.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer conn.Close()
	c.Gate.Open()
	defer c.Gate.Shut()
	go c.keepalive(ctx, conn)
	for {
		m, err := conn.Receive(ctx)
		if err != nil {
			return err
		}
		if m.Route.Operation == hubwire.Response {
			continue
		}
		answer := hubwire.New("metaManager", hubwire.Response, m.Route.Resource, hubwire.Text("OK"))
		answer.Header.Parent = m.Header.ID
		if err := conn.Send(answer); err != nil {
			return err
		}
	}
}

// keepalive tells CloudHub again and again that the node is there.
func (c *Client) keepalive(ctx context.Context, conn *hubwire.Conn) {
	ticker := time.NewTicker(c.Heartbeat)
	defer ticker.Stop()
	for {
		if err := conn.Send(hubwire.New("websocket", hubwire.Keepalive, "node", hubwire.Text("ping"))); err != nil {
			conn.Close() // which ends serve
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
