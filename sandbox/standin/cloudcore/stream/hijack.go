package stream

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/sandbox/standin/tunnel"
)

const (
	// chunk is how much of an exec or attach connection goes into one frame, in bytes.
	chunk = 16 << 10
	// remindAfter is the pause between two messages that a client has left; the real
	// one makes none.
	remindAfter = 50 * time.Millisecond
)

// hijack connects the client's bare connection with the edge node's, for exec and
// attach: bytes pass both ways as they are, the answer to the upgrade among them.
// So SPDY and WebSocket are the same to us.
func (s *Server) hijack(w http.ResponseWriter, r *http.Request, to *session, typ tunnel.Type) error {
	if r.Header.Get("Upgrade") == "" || !strings.Contains(strings.ToLower(r.Header.Get("Connection")), "upgrade") {
		w.WriteHeader(http.StatusInternalServerError)
		return errUpgrade
	}
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return fmt.Errorf("take over the connection: %w", err)
	}
	defer func() { _ = client.Close() }() // which is how the client learns of the end
	id, edge, err := s.start(r, to, typ, func(data []byte) error {
		_, err := client.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	defer to.forget(id)
	upload(client, buffered.Reader, to, id, edge)
	return nil
}

// upload sends what the client writes until the edge ends the stream. That is looked at
// between two reads only, as in the real one: a client that neither writes nor leaves
// keeps its connection. Of one that has left the edge is told until it answers.
func upload(client net.Conn, from *bufio.Reader, to *session, id uint64, edge *reader) {
	buf := make([]byte, chunk)
	for {
		select {
		case <-edge.ended:
			return
		default:
		}
		n, err := from.Read(buf)
		if n > 0 {
			if err := to.conn.Send(tunnel.Frame{ID: id, Type: tunnel.Data, Data: buf[:n]}); err != nil {
				slog.Debug("exec ended by the tunnel", "node", to.node, "stream", id, "err", err)
				return
			}
		}
		if err != nil {
			_ = client.Close() // nothing is written to it any more either
			to.sendRemove(id)
			select {
			case <-edge.ended:
			case <-time.After(remindAfter):
			}
		}
	}
}
