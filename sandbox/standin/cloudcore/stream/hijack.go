package stream

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/edgeway-io/edgeway/sandbox/standin/tunnel"
)

// chunk is how much of an exec or attach connection goes into one frame, in bytes.
const chunk = 16 << 10

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
	// Whoever ends first, the other side is told by closing.
	defer func() { _ = client.Close() }()
	id, inbox, err := s.start(r, to, typ)
	if err != nil {
		return err
	}
	defer to.forget(id)
	go upload(client, buffered.Reader, to, id)
	for data := range inbox.Data() {
		if _, err := client.Write(data); err != nil {
			to.sendRemove(id)
			return fmt.Errorf("write to the client: %w", err)
		}
	}
	return nil
}

// upload sends what the client writes until it leaves, then tells the edge node.
func upload(client net.Conn, from *bufio.Reader, to *session, id uint64) {
	buf := make([]byte, chunk)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if err := to.conn.Send(tunnel.Frame{ID: id, Type: tunnel.Data, Data: buf[:n]}); err != nil {
				slog.Debug("exec ended by the tunnel", "node", to.node, "stream", id, "err", err)
				_ = client.Close()
				return
			}
		}
		if err != nil {
			to.sendRemove(id)
			return
		}
	}
}
