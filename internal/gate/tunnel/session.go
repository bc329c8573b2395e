package tunnel

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/edgeway-io/edgeway/internal/gate/ticket"
)

const (
	// silence is how long a device may say nothing: EdgeCore pings every 5 s.
	silence = time.Minute
	// writeTimeout bounds one write: a link that takes no byte for so long is dead.
	writeTimeout = 15 * time.Second
	// keptBuffer is the largest buffer that is kept for the next message, in bytes.
	keptBuffer = 64 << 10
)

// buffers hold one message each while it passes; an idle tunnel holds none.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// session is one device's tunnel: the device's half and the half to CloudCore.
type session struct {
	node    string
	device  *websocket.Conn
	core    *websocket.Conn
	tickets *ticket.Book
	log     *slog.Logger

	toCore sync.Mutex // frames to CloudCore come from the device and from the gate

	mu      sync.Mutex
	streams map[uint64]struct{} // open ones; made with the first
}

// run passes frames both ways until one half ends, and tells the other half why.
func (s *session) run() {
	s.device.SetReadLimit(maxMessage)
	s.core.SetReadLimit(maxMessage)
	s.forwardControl()
	done := make(chan struct{})
	go func() {
		defer close(done)
		end(s.device, s.fromCore())
	}()
	end(s.core, s.fromDevice())
	<-done
}

// cut ends the tunnel at once; run returns soon after. Closing TLS says farewell first,
// for which a device that reads nothing could keep its tunnel for seconds.
func (s *session) cut() {
	for _, half := range []*websocket.Conn{s.device, s.core} {
		conn := half.NetConn()
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

// end passes the reason of one half's end on to the other half.
func end(other *websocket.Conn, reason error) {
	var closed *websocket.CloseError
	if errors.As(reason, &closed) && closed.Code != websocket.CloseAbnormalClosure && closed.Code != websocket.CloseNoStatusReceived {
		message := websocket.FormatCloseMessage(closed.Code, closed.Text)
		_ = other.WriteControl(websocket.CloseMessage, message, time.Now().Add(time.Second)) // it may be gone, too
	}
	_ = other.Close()
}

// forwardControl lets pings and pongs pass from end to end, so that the device learns
// whether CloudCore is alive and not only whether the gate is.
func (s *session) forwardControl() {
	forward := func(to *websocket.Conn, message int, heard bool) func(string) error {
		return func(text string) error {
			if heard {
				_ = s.device.SetReadDeadline(time.Now().Add(silence)) // fails on a closed connection, which reading finds out
			}
			return to.WriteControl(message, []byte(text), time.Now().Add(writeTimeout))
		}
	}
	s.device.SetPingHandler(forward(s.core, websocket.PingMessage, true))
	s.device.SetPongHandler(forward(s.core, websocket.PongMessage, true))
	s.core.SetPingHandler(forward(s.device, websocket.PingMessage, false))
	s.core.SetPongHandler(forward(s.device, websocket.PongMessage, false))
}

// fromDevice passes what the device sends; CloudCore knows its own streams.
func (s *session) fromDevice() error {
	for {
		if err := s.device.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err
		}
		err := receive(s.device, func(message []byte) error {
			f, err := parse(message)
			if err != nil {
				return err
			}
			if f.kind == remove {
				s.closed(f.stream)
			}
			return s.sendCore(message)
		})
		if err != nil {
			return err
		}
	}
}

// fromCore passes what belongs to a stream that the gate let in, and nothing else.
func (s *session) fromCore() error {
	for {
		if err := receive(s.core, s.toDevice); err != nil {
			return err
		}
	}
}

func (s *session) toDevice(message []byte) error {
	f, err := parse(message)
	if err != nil {
		return err
	}
	switch {
	case f.kind.opens():
		return s.open(f)
	case f.kind == closeAll:
		return send(s.device, message)
	case f.kind == remove && s.closed(f.stream), f.kind == data && s.isOpen(f.stream):
		return send(s.device, message)
	}
	return nil
}

// open lets a request through that the gate let in for this node. Others never
// passed the gate: CloudCore hears that their stream has ended.
func (s *session) open(f frame) error {
	issued, err := f.takeHeader(ticket.Header)
	if err != nil {
		return err
	}
	if !s.tickets.Redeem(issued, s.node) {
		s.log.Warn("request to an edge node that the gate did not let in", "node", s.node, "stream", f.stream)
		return s.sendCore(frame{stream: f.stream, kind: remove}.message())
	}
	s.mu.Lock()
	if s.streams == nil {
		s.streams = map[uint64]struct{}{}
	}
	s.streams[f.stream] = struct{}{}
	s.mu.Unlock()
	return send(s.device, f.message())
}

// closed forgets a stream and says whether it was open.
func (s *session) closed(stream uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, open := s.streams[stream]
	delete(s.streams, stream)
	return open
}

func (s *session) isOpen(stream uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, open := s.streams[stream]
	return open
}

func (s *session) sendCore(message []byte) error {
	s.toCore.Lock()
	defer s.toCore.Unlock()
	return send(s.core, message)
}

// receive waits for one message and has it used.
func receive(from *websocket.Conn, use func([]byte) error) error {
	kind, r, err := from.NextReader()
	if err != nil {
		return err
	}
	if kind != websocket.TextMessage {
		return fmt.Errorf("%w: a binary message", errMalformed)
	}
	buf := buffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer func() {
		if buf.Cap() <= keptBuffer {
			buffers.Put(buf)
		}
	}()
	if _, err := buf.ReadFrom(r); err != nil {
		return err
	}
	return use(buf.Bytes())
}

// send writes one message. The tunnel is unusable after an error.
func send(to *websocket.Conn, message []byte) error {
	if err := to.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return to.WriteMessage(websocket.TextMessage, message)
}
