package stream

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/edgeway-io/edgeway/sandbox/standin/tunnel"
)

var (
	errNoTunnel = errors.New("no tunnel of that node here")
	errUpgrade  = errors.New("want a request to upgrade the connection")
)

// PodNodes tells which node a pod is bound to.
type PodNodes interface {
	NodeOf(ctx context.Context, namespace, pod string) (string, error)
}

// Server answers requests meant for edge nodes' kubelets.
type Server struct {
	tunnels *Tunnels
	pods    PodNodes
	lastID  atomic.Uint64
}

// NewServer makes the server that sends requests down the given tunnels.
func NewServer(tunnels *Tunnels, pods PodNodes) *Server {
	return &Server{tunnels: tunnels, pods: pods}
}

// Handler serves CloudStream's paths.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.serve(tunnel.Logs, s.nodeOfPod, s.relay))
	for path, typ := range map[string]tunnel.Type{"/exec": tunnel.Exec, "/attach": tunnel.Attach} {
		for _, method := range []string{"GET", "POST"} {
			mux.HandleFunc(method+" "+path+"/{namespace}/{pod}/{container}", s.serve(typ, s.nodeOfPod, s.hijack))
			mux.HandleFunc(method+" "+path+"/{namespace}/{pod}/{uid}/{container}", s.serve(typ, s.nodeOfPod, s.hijack))
		}
	}
	for _, path := range []string{
		"/stats", "/stats/summary", "/stats/container", "/stats/{pod}/{container}", "/stats/{namespace}/{pod}/{uid}/{container}",
		"/metrics", "/metrics/cadvisor", "/metrics/probes", "/metrics/resource",
	} {
		mux.HandleFunc("GET "+path, s.serve(tunnel.Metrics, nodeOfScrape, s.relay))
	}
	return mux
}

type (
	locate func(*http.Request) (string, error)
	answer func(http.ResponseWriter, *http.Request, *session, tunnel.Type) error
)

// serve finds the tunnel for a request and answers through it. Like the real one
// it says 500, without a word, when there is no tunnel, and 200 to everything that
// it could send down one.
func (s *Server) serve(typ tunnel.Type, find locate, answer answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		log := slog.With("path", r.URL.Path, "from", r.RemoteAddr)
		key, err := find(r)
		if err != nil {
			log.Warn("cannot tell which edge node is meant", "err", err)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		session, ok := s.tunnels.find(key)
		if !ok {
			log.Warn("cannot reach the edge node", "node", key, "err", errNoTunnel)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if err := answer(w, r, session, typ); err != nil {
			log.Warn("request to an edge node ended early", "node", session.node, "err", err)
		}
	}
}

func (s *Server) nodeOfPod(r *http.Request) (string, error) {
	return s.pods.NodeOf(r.Context(), r.PathValue("namespace"), r.PathValue("pod"))
}

// nodeOfScrape takes the node's name out of the path that kube-apiserver's node
// proxy was asked for; a direct scrape tells no more than the node's address.
func nodeOfScrape(r *http.Request) (string, error) {
	forwarded := r.Header.Get("X-Forwarded-Uri")
	if parts := strings.Split(forwarded, "/"); strings.HasPrefix(forwarded, "/api/v1/nodes/") && len(parts) > 6 {
		return parts[4], nil
	}
	host, _, _ := strings.Cut(r.Host, ":")
	return host, nil
}

// start opens a stream and sends the request down the tunnel; write gets its data.
func (s *Server) start(r *http.Request, to *session, typ tunnel.Type, write func([]byte) error) (uint64, *reader, error) {
	id := s.lastID.Add(1)
	frame, err := tunnel.NewConnect(id, typ, r).Frame(typ)
	if err != nil {
		return 0, nil, err
	}
	edge, err := to.open(id, write)
	if err != nil {
		return 0, nil, err
	}
	if err := to.conn.Send(frame); err != nil {
		to.forget(id)
		return 0, nil, err
	}
	return id, edge, nil
}

// relay answers with whatever comes up the tunnel. The status is 200 in any case, also
// when the tunnel has gone, and goes out with the first data.
func (s *Server) relay(w http.ResponseWriter, r *http.Request, from *session, typ tunnel.Type) error {
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	id, edge, err := s.start(r, from, typ, func(data []byte) error {
		if _, err := w.Write(data); err != nil {
			return err
		}
		return out.Flush()
	})
	if err != nil {
		return err
	}
	defer from.forget(id)
	select {
	case <-edge.ended:
	case <-r.Context().Done():
		from.sendRemove(id)
	}
	return nil
}
