// Package stream is the edge's end of the tunnel: it dials CloudCore, again and
// again, and answers what comes down the tunnel from a server on this host.
package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/edgeway-io/edgeway/sandbox/standin/tunnel"
)

const (
	redial      = 2 * time.Second
	pingEvery   = 5 * time.Second
	pingTimeout = time.Second
	dialTimeout = 5 * time.Second
	handshake   = 10 * time.Second
)

// errClosed is CloudCore ending the tunnel with a reason.
var errClosed = errors.New("CloudCore closed the tunnel")

// Dialer opens a connection to the server that answers for this node.
type Dialer func(ctx context.Context) (net.Conn, error)

// Client keeps one node's tunnel open.
type Client struct {
	// Server is HOST:PORT of CloudCore's tunnel.
	Server string
	TLS    *tls.Config
	// Node and IP introduce the node.
	Node, IP string
	// Backend answers requests, in plain HTTP.
	Backend Dialer
}

// Loopback dials EdgeCore's own server.
func Loopback(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", tunnel.EdgeServer)
}

// Run dials and serves until ctx ends. A tunnel that breaks is dialed again after 2 s.
func (c *Client) Run(ctx context.Context) error {
	log := slog.With("node", c.Node, "server", c.Server)
	for {
		err := c.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		log.Warn("tunnel down", "err", err)
		select {
		case <-time.After(redial):
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *Client) once(ctx context.Context) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	slog.Info("tunnel up", "node", c.Node, "server", c.Server)
	ctx, cancel := context.WithCancel(ctx)
	s := &session{conn: conn, backend: c.Backend, inboxes: map[uint64]*tunnel.Inbox{}}
	var pinger sync.WaitGroup
	pinger.Go(func() { keepAlive(ctx, conn) })
	err = s.serve(ctx)
	cancel()
	conn.Close()
	pinger.Wait()
	return err
}

func (c *Client) dial(ctx context.Context) (*tunnel.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	transport := &http.Transport{
		TLSClientConfig:   c.TLS,
		DialContext:       (&net.Dialer{Timeout: dialTimeout}).DialContext,
		DisableKeepAlives: true,
	}
	header := http.Header{}
	header.Set(tunnel.HeaderHostname, c.Node)
	header.Set(tunnel.HeaderIP, c.IP)
	ws, _, err := websocket.Dial(ctx, "wss://"+c.Server+tunnel.Path, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport},
		HTTPHeader: header,
	})
	if err != nil {
		return nil, fmt.Errorf("dial the tunnel: %w", err)
	}
	return tunnel.NewConn(ws), nil
}

// keepAlive pings until ctx ends. Like the real one it does not care for the answers: a
// link that was cut silently is found by TCP, minutes later.
func keepAlive(ctx context.Context, conn *tunnel.Conn) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		ping, cancel := context.WithTimeout(ctx, pingTimeout)
		if err := conn.Ping(ping); err != nil {
			slog.Debug("a ping was not answered", "err", err)
		}
		cancel()
	}
}
