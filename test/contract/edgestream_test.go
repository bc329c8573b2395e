package contract

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/edgeway-io/edgeway/test/contract/edge"
	"github.com/edgeway-io/edgeway/test/contract/fake"
	"github.com/edgeway-io/edgeway/test/contract/wire"
)

// edgeSite is an EdgeCore that has joined.
type edgeSite struct {
	edge    *edgeProgram
	kubelet *kubelet
	hub     *fake.Socket
	tunnel  *edgeTunnel
}

// joinedBehaviors share one EdgeCore with one tunnel.
var joinedBehaviors = []behavior[*edgeSite]{
	{"E20", "The tunnel is GET /v1/kubeedge/connect with SessionHostNameOverride, and SessionInternalIP as configured, whether an interface has it or not", func(t *testing.T, s *edgeSite) {
		r := s.tunnel.socket.Request
		if r.URL.Path != "/v1/kubeedge/connect" || r.Header.Get("SessionHostNameOverride") != edgeName || r.Header.Get("SessionInternalIP") != anyIP {
			t.Errorf("%s with %v", r.URL.Path, r.Header)
		}
	}},
	{"E21", "Logs are asked of 127.0.0.1:10350 with path, query and headers; the text comes as data, then type 4", func(t *testing.T, s *edgeSite) {
		st := s.ask(t, wire.Logs, "GET", "/containerLogs/default/p/c?tailLines=7", http.Header{"X-Own": {"1"}})
		if got := st.whole(t); got != "GET /containerLogs/default/p/c?tailLines=7 1\n" {
			t.Errorf("got %q", got)
		}
	}},
	{"E22", "An answer's status is lost: the text of an error comes as data, then type 4", func(t *testing.T, s *edgeSite) {
		for _, typ := range []uint64{wire.Logs, wire.Metrics} {
			if got := s.ask(t, typ, "GET", "/nope", nil).whole(t); got != "404 page not found\n" {
				t.Errorf("got %q", got)
			}
		}
	}},
	{"E23", "Metrics come one line a frame, the last with a line's end even if it had none, and are asked for uncompressed", func(t *testing.T, s *edgeSite) {
		st := s.ask(t, wire.Metrics, "GET", "/metrics", http.Header{"Accept-Encoding": {"gzip"}})
		var lines []string
		for {
			f := st.next(t)
			if f.Type == wire.Remove {
				break
			}
			lines = append(lines, string(f.Data))
		}
		if strings.Join(lines, "|") != "identity\n|a 1\n|b 2\n" {
			t.Errorf("the frames are %q", lines)
		}
	}},
	{"E24", "A followed log comes as it is written; when the cloud sends type 4, the request to the kubelet ends and EdgeCore answers type 4", func(t *testing.T, s *edgeSite) {
		st := s.ask(t, wire.Logs, "GET", "/follow", nil)
		if f := st.next(t); string(f.Data) != "first\n" {
			t.Errorf("got %q", f.Data)
		}
		s.tunnel.send(t, wire.Frame{ID: st.id, Type: wire.Remove})
		select {
		case <-s.kubelet.left:
		case <-time.After(patience):
			t.Error("the kubelet's request goes on")
		}
		for st.next(t).Type != wire.Remove { //nolint:revive // what was under way may come first
		}
	}},
	{"E25", "exec and attach pass bytes both ways as they are, with the request's method, after the kubelet's answer to the upgrade", func(t *testing.T, s *edgeSite) {
		for _, typ := range []uint64{wire.Exec, wire.Attach} {
			st := s.ask(t, typ, "POST", "/exec/default/p/c?command=sh", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"SPDY/3.1"}})
			st.until(t, "POST ") // data that comes sooner is lost
			s.tunnel.send(t, wire.Frame{ID: st.id, Type: wire.Data, Data: []byte("hello")})
			st.until(t, "hello")
			s.tunnel.send(t, wire.Frame{ID: st.id, Type: wire.Remove})
			for st.next(t).Type != wire.Remove { //nolint:revive // as above
			}
		}
	}},
	{"E26", "EdgeCore pings the tunnel again and again", func(t *testing.T, s *edgeSite) {
		for range 2 {
			select {
			case <-s.tunnel.socket.Pings:
			case <-time.After(patience):
				t.Fatal("no ping")
			}
		}
	}},
	{"E27", "EdgeCore acknowledges a pod with a message of operation response that names the message", func(t *testing.T, s *edgeSite) {
		pod := map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p", "namespace": "default", "uid": "u", "resourceVersion": "7"},
			"spec": map[string]any{"nodeName": edgeName, "containers": []any{}}}
		m := wire.Message{Header: wire.Header{ID: "contract-1", Timestamp: time.Now().UnixMilli(), ResourceVersion: "7"}, Content: must(json.Marshal(pod))(t),
			Route: wire.Route{Source: "edgecontroller", Group: "resource", Operation: "insert", Resource: "default/pod/p"}}
		if err := s.hub.Write(ctxOf(t), websocket.MessageText, must(m.Encode())(t)); err != nil {
			t.Fatal(err)
		}
		for {
			got := receive(t, s.hub)
			if got.Header.Parent == m.Header.ID && got.Route.Operation == "response" {
				return
			}
		}
	}},
}

// kubeletlessBehaviors are an EdgeCore whose kubelet does not answer.
var kubeletlessBehaviors = []behavior[*struct{}]{
	{"E30", "While nothing listens on 127.0.0.1:10350, a request is never answered, not even with type 4; the tunnel stays", func(t *testing.T, _ *struct{}) {
		e := startEdge(t, edgeOptions{})
		s := &edgeSite{edge: e, tunnel: newEdgeTunnel(t, e.tunnel(t))}
		lost := []*edgeStream{s.ask(t, wire.Logs, "GET", "/containerLogs/default/p/c", nil), s.ask(t, wire.Metrics, "GET", "/metrics", nil)}
		select { // a ping later the requests have failed
		case <-s.tunnel.socket.Pings:
		case <-time.After(patience):
			t.Fatal("no ping")
		}
		s.kubelet = startKubelet(t)
		s.ask(t, wire.Metrics, "GET", "/metrics", nil).whole(t)
		for _, st := range lost {
			select {
			case f := <-st.frames:
				t.Errorf("stream %d got a frame of type %d: %q", st.id, f.Type, f.Data)
			default:
			}
		}
	}},
}

// kubelet is what EdgeCore asks.
type kubelet struct{ left chan struct{} }

func startKubelet(t *testing.T) *kubelet {
	t.Helper()
	k := &kubelet{left: make(chan struct{}, 10)}
	l, err := listenKubelet()
	if err != nil {
		t.Fatalf("%v; is an EdgeCore running here?", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s %s\n", r.Method, r.URL.RequestURI(), r.Header.Get("X-Own"))
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s\na 1\nb 2", r.Header.Get("Accept-Encoding"))
	})
	mux.HandleFunc("GET /follow", k.follow)
	mux.HandleFunc("POST /exec/", echo)
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(l) }()      // it ends with the test
	t.Cleanup(func() { _ = server.Close() }) // nothing is left to be told
	return k
}

func (k *kubelet) follow(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "first\n")
	w.(http.Flusher).Flush()
	// A reader that left shows when it is written to.
	for r.Context().Err() == nil {
		select {
		case <-r.Context().Done():
		case <-time.After(100 * time.Millisecond):
			_, _ = io.WriteString(w, "more\n")
			w.(http.Flusher).Flush()
		}
	}
	k.left <- struct{}{}
}

// echo upgrades and sends back what comes, with the method before it.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }() // the other side has left
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"+r.Method+" ")
	_, _ = io.Copy(conn, bufio.NewReader(buffered))
}

// edgeTunnel is a tunnel as CloudCore has it.
type edgeTunnel struct {
	socket  *fake.Socket
	closed  chan struct{}
	mu      sync.Mutex
	last    uint64
	streams map[uint64]chan wire.Frame
}

type edgeStream struct {
	id     uint64
	frames chan wire.Frame
}

func (tn *edgeTunnel) read() {
	defer close(tn.closed)
	for {
		_, b, err := tn.socket.Read(context.Background())
		if err != nil {
			return
		}
		f, err := wire.DecodeFrame(b)
		if err != nil {
			return
		}
		tn.mu.Lock()
		to := tn.streams[f.ID]
		tn.mu.Unlock()
		if to != nil {
			to <- f
		}
	}
}

func (tn *edgeTunnel) send(t *testing.T, f wire.Frame) {
	t.Helper()
	if err := tn.socket.Write(ctxOf(t), websocket.MessageText, f.Encode()); err != nil {
		t.Fatal(err)
	}
}

// ask opens a stream.
func (s *edgeSite) ask(t *testing.T, typ uint64, method, path string, header http.Header) *edgeStream {
	t.Helper()
	tn := s.tunnel
	u := must(url.Parse("http://127.0.0.1:10350" + path))(t)
	tn.mu.Lock()
	tn.last++
	st := &edgeStream{id: tn.last, frames: make(chan wire.Frame, 1000)}
	tn.streams[st.id] = st.frames
	tn.mu.Unlock()
	if header == nil {
		header = http.Header{}
	}
	data := must(json.Marshal(edge.Opening{ID: st.id, URL: *u, Header: header, Method: method}))(t)
	tn.send(t, wire.Frame{ID: st.id, Type: typ, Data: data})
	return st
}

func (st *edgeStream) next(t *testing.T) wire.Frame {
	t.Helper()
	select {
	case f := <-st.frames:
		return f
	case <-time.After(patience):
		t.Fatalf("no frame of stream %d", st.id)
	}
	return wire.Frame{}
}

// whole gives all data up to type 4.
func (st *edgeStream) whole(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for {
		f := st.next(t)
		if f.Type == wire.Remove {
			return all.String()
		}
		all.Write(f.Data)
	}
}

// until waits for a text in the data.
func (st *edgeStream) until(t *testing.T, text string) {
	t.Helper()
	var all strings.Builder
	for !strings.Contains(all.String(), text) {
		f := st.next(t)
		if f.Type != wire.Data {
			t.Fatalf("the stream ended after %q", all.String())
		}
		all.Write(f.Data)
	}
}
