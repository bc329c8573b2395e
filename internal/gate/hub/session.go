package hub

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// idleBuffer is what each direction of an idle connection holds, in bytes.
	idleBuffer = 512
	// busyBuffer is taken while more comes than that: one record of TLS.
	busyBuffer = 16 << 10
	// writeTimeout bounds one write: a link that takes no byte for so long is dead.
	writeTimeout = 30 * time.Second
	// grace is how long one direction goes on after the other has ended.
	grace = 10 * time.Second
)

// busy holds buffers while bytes pass; an idle connection holds none of them.
var busy = sync.Pool{New: func() any { return new([busyBuffer]byte) }}

// session is one device's connection: the device's half and the half to CloudHub.
type session struct {
	node             string
	device, core     net.Conn
	toDevice, toCore []byte // sent before all else
}

// run passes bytes both ways until both directions have ended.
func (s *session) run() {
	defer s.cut()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.pass(s.core, s.device, s.toCore)
	}()
	s.pass(s.device, s.core, s.toDevice)
	<-done
}

// pass copies one direction. Its orderly end is passed on, so that what is still under way
// the other way arrives; after any other end both halves are cut.
func (s *session) pass(to, from net.Conn, first []byte) {
	if err := relay(to, from, first); err != nil {
		s.cut()
		return
	}
	half, ok := to.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || to.SetReadDeadline(time.Now().Add(grace)) != nil {
		s.cut()
	}
}

// cut ends the connection at once; run returns soon after. Closing TLS says farewell
// first, for which a device that reads nothing could keep its connection for seconds.
func (s *session) cut() {
	for _, conn := range []net.Conn{s.device, s.core} {
		for {
			inner, ok := conn.(interface{ NetConn() net.Conn })
			if !ok {
				break
			}
			conn = inner.NetConn()
		}
		_ = conn.Close() // gone either way
	}
}

// relay copies until from ends; nil when it ended in an orderly way.
func relay(to, from net.Conn, first []byte) error {
	if err := send(to, first); err != nil {
		return err
	}
	var idle [idleBuffer]byte
	for {
		n, err := from.Read(idle[:])
		if err = step(to, idle[:n], err); err != nil {
			return orderly(err)
		}
		if n < len(idle) {
			continue
		}
		if err := relayBusy(to, from); err != nil {
			return orderly(err)
		}
	}
}

// relayBusy copies as long as reads fill most of the buffer.
func relayBusy(to, from net.Conn) error {
	buffer := busy.Get().(*[busyBuffer]byte)
	defer busy.Put(buffer)
	for {
		n, err := from.Read(buffer[:])
		if err = step(to, buffer[:n], err); err != nil {
			return err
		}
		if n < busyBuffer/2 {
			return nil
		}
	}
}

// step sends what was read, and then returns how reading ended, if it did.
func step(to net.Conn, data []byte, readErr error) error {
	if err := send(to, data); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return readErr
}

func orderly(err error) error {
	if err == io.EOF { // and nothing that wraps it
		return nil
	}
	return err
}

func send(to net.Conn, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if err := to.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := to.Write(data)
	return err
}
