package lab

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Server answers every line with its name and remembers who connected.
type Server struct {
	name string
	l    net.Listener

	mu    sync.Mutex
	peers []netip.Addr
}

// Serve listens on address in the namespace until the test ends.
func (n *NS) Serve(name, address string) *Server {
	n.t.Helper()
	s := &Server{name: name}
	err := n.Do(func() (err error) {
		s.l, err = net.Listen("tcp", address)
		return err
	})
	if err != nil {
		n.t.Fatalf("listen on %s in %s: %v", address, n.Name, err)
	}
	n.t.Cleanup(func() { _ = s.l.Close() })
	go s.accept()
	return s
}

func (s *Server) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.peers = append(s.peers, netip.MustParseAddrPort(c.RemoteAddr().String()).Addr().Unmap())
		s.mu.Unlock()
		go s.answer(c)
	}
}

func (s *Server) answer(c net.Conn) {
	defer c.Close()
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		if _, err := fmt.Fprintln(c, s.name); err != nil {
			return
		}
	}
}

// Peers lists the addresses that connections came from, in order.
func (s *Server) Peers() []netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]netip.Addr(nil), s.peers...)
}

// Client is an open connection to a Server.
type Client struct {
	conn  net.Conn
	lines *bufio.Reader
}

// Dial connects from the namespace.
func (n *NS) Dial(address string, timeout time.Duration) (*Client, error) {
	var c net.Conn
	err := n.Do(func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		c, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
		return err
	})
	if err != nil {
		return nil, err
	}
	n.t.Cleanup(func() { _ = c.Close() })
	return &Client{conn: c, lines: bufio.NewReader(c)}, nil
}

// Ask sends a line and returns the name that answers.
func (c *Client) Ask(timeout time.Duration) (string, error) {
	if err := c.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(c.conn, "who"); err != nil {
		return "", err
	}
	line, err := c.lines.ReadString('\n')
	return strings.TrimSpace(line), err
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Who connects, asks once and returns the name that answers.
func (n *NS) Who(address string, timeout time.Duration) (string, error) {
	c, err := n.Dial(address, timeout)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.Ask(timeout)
}
