package edgehub

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// A connection gets through an open gate, is cut when the gate shuts, and a shut gate lets
// none through.
func TestGate(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
	gate, err := NewGate(server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- gate.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	dial := func() net.Conn {
		c, err := net.Dial("tcp", gate.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "x") // a shut gate may have ended it already
		return c
	}
	one := make([]byte, 1)
	if _, err := dial().Read(one); err == nil {
		t.Error("a shut gate lets a connection through")
	}
	gate.Open()
	c := dial()
	if _, err := io.ReadFull(c, one); err != nil || string(one) != "x" {
		t.Fatalf("got %q, %v through an open gate", one, err)
	}
	gate.Shut()
	if _, err := c.Read(one); err == nil {
		t.Error("the connection outlives the gate")
	}
}
