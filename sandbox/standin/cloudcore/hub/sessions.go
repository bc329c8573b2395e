package hub

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
)

// errLimit is one node too many.
var errLimit = errors.New("modules.cloudHub.nodeLimit is reached")

// sessions counts the edge nodes that have a connection open. A node may have
// several; only nodes count.
type sessions struct {
	limit int
	mu    sync.Mutex
	conns map[net.Conn]string
	nodes map[string]int
}

func newSessions(limit int) *sessions {
	return &sessions{limit: limit, conns: map[net.Conn]string{}, nodes: map[string]int{}}
}

// enter notes that a connection belongs to a node; errLimit when the node is one
// too many.
func (s *sessions) enter(conn net.Conn, node string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.conns[conn]; known {
		return nil
	}
	if s.nodes[node] == 0 {
		if len(s.nodes) >= s.limit {
			return fmt.Errorf("%w: %d edge nodes are connected; raise it or add a CloudCore", errLimit, len(s.nodes))
		}
		slog.Info("edge node connected", "node", node, "from", conn.RemoteAddr().String())
	}
	s.conns[conn] = node
	s.nodes[node]++
	return nil
}

// leave forgets a closed connection.
func (s *sessions) leave(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	node, known := s.conns[conn]
	if !known {
		return
	}
	delete(s.conns, conn)
	if s.nodes[node]--; s.nodes[node] == 0 {
		delete(s.nodes, node)
		slog.Info("edge node disconnected", "node", node)
	}
}

func (s *sessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.nodes)
}
