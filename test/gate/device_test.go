package gate

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// The kinds of frames of KubeEdge's tunnel.
const (
	frameLogs, frameExec, frameMetrics, frameData, frameRemove, frameClose, frameAttach = 0, 1, 2, 3, 4, 5, 6
)

// device is an edge node's end of a tunnel. It records every byte that arrives, and
// asks its kubelet, a plain HTTP server, as EdgeCore does.
type device struct {
	t       testing.TB
	kubelet string
	send    sync.Mutex
	conn    *websocket.Conn

	mu      sync.Mutex
	arrived bytes.Buffer
	streams map[uint64]io.WriteCloser // what the cloud sends for an exec
	done    chan struct{}
	err     error
}

// dialTunnel opens a tunnel with a certificate under a name and an address.
func dialTunnel(t testing.TB, address string, cert tls.Certificate, name, ip string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}}} // as EdgeCore does
	header := http.Header{"SessionHostNameOverride": {name}, "SessionInternalIP": {ip}}
	return dialer.DialContext(t.Context(), "wss://"+address+"/v1/kubeedge/connect", header)
}

// connect opens the tunnel of a node, with its own certificate, and waits until
// CloudCore uses it.
func connect(t testing.TB, name string, kubelet http.Handler) *device {
	t.Helper()
	server := httptest.NewServer(kubelet)
	t.Cleanup(server.Close)
	d := &device{t: t, kubelet: server.Listener.Addr().String(), streams: map[uint64]io.WriteCloser{}, done: make(chan struct{})}
	cert := deviceCert(t, name)
	eventually(t, "a tunnel of "+name, func() error {
		conn, response, err := dialTunnel(t, w.tunnel, cert, name, "198.51.100.99")
		if err != nil {
			return fmt.Errorf("%w: %s", err, bodyOf(response))
		}
		d.conn = conn
		return nil
	})
	go d.serve()
	t.Cleanup(func() {
		_ = d.conn.Close()
		<-d.done
	})
	eventually(t, "CloudCore uses the tunnel of "+name, func() error {
		answer := ask(t, caller{cert: kubeletClient(t)}, http.MethodGet, "/metrics", proxiedBy(name))
		if answer.status != http.StatusOK {
			return fmt.Errorf("%d %s", answer.status, answer.body)
		}
		return nil
	})
	return d
}

// proxiedBy is what kube-apiserver's node proxy adds.
func proxiedBy(node string) http.Header {
	return http.Header{"X-Forwarded-Uri": {"/api/v1/nodes/" + node + "/proxy/metrics"}}
}

// wire is every byte that arrived.
func (d *device) wire() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Clone(d.arrived.Bytes())
}

func (d *device) serve() {
	defer close(d.done)
	for {
		_, message, err := d.conn.ReadMessage()
		if err != nil {
			d.err = err
			return
		}
		d.mu.Lock()
		d.arrived.Write(message)
		d.mu.Unlock()
		stream, n := binary.Uvarint(message)
		kind, m := binary.Uvarint(message[n:])
		d.handle(stream, kind, message[n+m:])
	}
}

func (d *device) handle(stream, kind uint64, data []byte) {
	switch kind {
	case frameLogs, frameMetrics:
		ctx, cancel := context.WithCancel(d.t.Context())
		d.mu.Lock()
		d.streams[stream] = closer(cancel)
		d.mu.Unlock()
		go d.answer(stream, data, func(req *http.Request, out io.Writer) error { return d.get(req.WithContext(ctx), out) })
	case frameExec, frameAttach:
		r, in := io.Pipe()
		d.mu.Lock()
		d.streams[stream] = in
		d.mu.Unlock()
		go d.answer(stream, data, func(req *http.Request, out io.Writer) error { return d.upgrade(req, r, out) })
	case frameData:
		d.mu.Lock()
		in := d.streams[stream]
		d.mu.Unlock()
		if in != nil {
			_, _ = in.Write(data) // the reader may have left
		}
	case frameRemove:
		d.mu.Lock()
		in := d.streams[stream]
		delete(d.streams, stream)
		d.mu.Unlock()
		if in != nil {
			_ = in.Close() // never fails
		}
	case frameClose:
		d.t.Logf("CloudCore closes the tunnel: %s", data)
	default:
		d.t.Errorf("frame of kind %d", kind)
	}
}

// answer asks the kubelet what the opening frame asks for.
func (d *device) answer(stream uint64, data []byte, do func(*http.Request, io.Writer) error) {
	var opening struct {
		URL    url.URL     `json:"url"`
		Header http.Header `json:"header"`
		Method string      `json:"method"`
	}
	if err := json.Unmarshal(data, &opening); err != nil {
		d.t.Errorf("opening frame: %v", err)
		return
	}
	opening.URL.Host = d.kubelet
	req, err := http.NewRequestWithContext(d.t.Context(), opening.Method, opening.URL.String(), nil)
	if err != nil {
		d.t.Errorf("opening frame: %v", err)
		return
	}
	req.Header = opening.Header
	if err := do(req, writer(func(p []byte) error { return d.frame(stream, frameData, p) })); err != nil {
		_ = d.frame(stream, frameData, []byte(err.Error())) // the tunnel may be gone
	}
	_ = d.frame(stream, frameRemove, nil)
}

func (d *device) frame(stream, kind uint64, data []byte) error {
	d.send.Lock()
	defer d.send.Unlock()
	head := binary.AppendUvarint(binary.AppendUvarint(nil, stream), kind)
	return d.conn.WriteMessage(websocket.TextMessage, append(head, data...))
}

func (d *device) get(req *http.Request, out io.Writer) error {
	req.Header.Set("Accept-Encoding", "identity")
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.CopyBuffer(out, struct{ io.Reader }{response.Body}, make([]byte, 4<<10))
	return err
}

// upgrade passes bytes both ways; when the cloud's side ends, the kubelet hears it.
func (d *device) upgrade(req *http.Request, in io.Reader, out io.Writer) error {
	conn, err := net.Dial("tcp", d.kubelet)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := req.Write(conn); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(conn, in)
		_ = conn.(*net.TCPConn).CloseWrite() // it may be closed already
	}()
	_, err = io.CopyBuffer(out, struct{ io.Reader }{conn}, make([]byte, 4<<10))
	return err
}

// closer is told when the cloud ends a stream; readers of logs send nothing else.
type closer func()

func (closer) Write(p []byte) (int, error) { return len(p), nil }

func (c closer) Close() error {
	c()
	return nil
}

type writer func([]byte) error

func (w writer) Write(p []byte) (int, error) { return len(p), w(p) }

func bodyOf(response *http.Response) string {
	if response == nil {
		return ""
	}
	body, err := io.ReadAll(response.Body)
	return string(body) + errText(errors.Join(err, response.Body.Close()))
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
