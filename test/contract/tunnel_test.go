package contract

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/test/contract/cloud"
	"github.com/edgeway-io/edgeway/test/contract/edge"
	"github.com/edgeway-io/edgeway/test/contract/wire"
)

// tunnelBehaviors are CloudStream's server for edge nodes.
var tunnelBehaviors = []behavior[*site]{
	{"T01", "The tunnel wants a client certificate of CloudHub's CA", func(t *testing.T, s *site) {
		stranger := selfSigned(t, "system:node:a", "system:nodes")
		for name, cert := range map[string]*tls.Certificate{"none": nil, "another CA's": &stranger} {
			conn, _, err := edge.Tunnel{Address: s.core.Tunnel, TLS: must(cloud.ClientTLS(s.ca(t), cert))(t), Node: "a"}.Dial(ctxOf(t))
			if err == nil {
				conn.Leave()
				t.Errorf("with the certificate %s it opens", name)
			}
		}
	}},
	{"T02", "Paths other than /v1/kubeedge/connect answer 404", func(t *testing.T, s *site) {
		_, status, err := edge.Tunnel{Address: s.core.Tunnel, TLS: s.tls(t, "a"), Node: "a", Path: "/connect"}.Dial(ctxOf(t))
		if err == nil || status != http.StatusNotFound {
			t.Errorf("got %d, %v", status, err)
		}
	}},
	{"T03", "When a tunnel opens, the Node's kubelet port becomes this CloudCore's tunnel port, the record's for its address", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		s.tunnel(t, name, s.ip())
		if port := must(s.portOf(ctxOf(t), name))(t); int(port) != s.recorded(t) {
			t.Errorf("the port is %d", port)
		}
	}},
	{"T04", "The record is the annotation tunnelportrecord.kubeedge.io of ConfigMap tunnelport: ipTunnelPort and port, from 10351 up", func(t *testing.T, s *site) {
		if port := s.recorded(t); port != 10351 {
			t.Errorf("the first CloudCore has port %d", port)
		}
	}},
	{"T05", "The tunnel's node is the header's SessionHostNameOverride: any node's certificate opens any node's tunnel", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		s.tunnelAs(t, edge.Tunnel{TLS: s.tls(t, "someone-else"), Node: name, IP: s.ip()})
		s.pod(t, name, name)
	}},
	{"T06", "Without SessionInternalIP the tunnel's address is where it comes from", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		tunnel := s.tunnelAs(t, edge.Tunnel{TLS: s.tls(t, name), Node: name})
		tunnel.metrics(t, s, "127.0.0.1:10351", nil)
	}},
	{"T07", "A tunnel of a Node that does not exist waits for it, looking every 20 s", func(t *testing.T, s *site) {
		name := s.name(t)
		s.open(t, edge.Tunnel{TLS: s.tls(t, name), Node: name, IP: s.ip()})
		s.node(t, name)
		eventually(t, func(ctx context.Context) error { return s.hasPort(ctx, name) })
	}},
	{"T08", "Pings are answered once the Node has its port", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		tunnel := s.tunnel(t, name, s.ip())
		if err := tunnel.conn.Ping(ctxOf(t)); err != nil {
			t.Error(err)
		}
	}},
	{"T09", "A binary message ends the tunnel", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		tunnel := s.tunnel(t, name, s.ip())
		if err := tunnel.conn.SendRaw(websocket.MessageBinary, wire.Frame{ID: 1, Type: wire.Data}.Encode()); err != nil {
			t.Fatal(err)
		}
		ends(t, tunnel.closed)
	}},
	{"T10", "A frame without an id or a type ends the tunnel", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		tunnel := s.tunnel(t, name, s.ip())
		if err := tunnel.conn.SendRaw(websocket.MessageText, []byte{1}); err != nil {
			t.Fatal(err)
		}
		ends(t, tunnel.closed)
	}},
	{"T11", "Frames of streams that are not open are ignored, whatever their type", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		ip := s.ip()
		tunnel := s.tunnel(t, name, ip)
		for _, typ := range []uint64{wire.Data, wire.Remove, wire.Close, wire.Logs, 99} {
			if err := tunnel.conn.Send(wire.Frame{ID: 1 << 40, Type: typ, Data: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		tunnel.metrics(t, s, ip, nil)
	}},
	{"T12", "Data beyond 1 MiB of a frame is cut off, and the stream goes on", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		s.pod(t, name, name)
		tunnel := s.tunnel(t, name, s.ip())
		get := s.get(t, s.logsOf(name), nil)
		o := tunnel.opening(t, wire.Logs)
		tunnel.send(t, o.ID, wire.Data, strings.Repeat("a", wire.MaxData+100))
		tunnel.send(t, o.ID, wire.Data, "end")
		tunnel.send(t, o.ID, wire.Remove, "")
		status, body := get.answer(t)
		if status != http.StatusOK || len(body) != wire.MaxData+len("end") {
			t.Errorf("got %d and %d bytes", status, len(body))
		}
	}},
	{"T13", "Of two tunnels of one node the later gets the requests; the earlier stays open", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		ip := s.ip()
		first, second := s.tunnel(t, name, ip), s.tunnel(t, name, ip)
		second.metrics(t, s, ip, nil)
		if err := first.conn.Ping(ctxOf(t)); err != nil {
			t.Errorf("the earlier: %v", err)
		}
	}},
	{"T14", "Of two nodes with one address the later to connect gets what is asked by address; by name each gets its own", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		s.node(t, name+"-b")
		ip := s.ip()
		first, second := s.tunnel(t, name, ip), s.tunnel(t, name+"-b", ip)
		second.metrics(t, s, ip, nil)
		first.metrics(t, s, ip, forwarded(name))
	}},
}

// tunnel is an open tunnel whose frames are kept.
type tunnel struct {
	conn   *edge.TunnelConn
	frames chan wire.Frame
	closed chan struct{}
}

// open opens a tunnel until the test ends.
func (s *site) open(t *testing.T, as edge.Tunnel) *tunnel {
	t.Helper()
	as.Address = s.core.Tunnel
	conn, _, err := as.Dial(ctxOf(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Leave)
	tn := &tunnel{conn: conn, frames: make(chan wire.Frame, 1000), closed: make(chan struct{})}
	go func() {
		defer close(tn.closed)
		for {
			f, err := conn.Receive(context.Background())
			if err != nil {
				return
			}
			tn.frames <- f
		}
	}()
	return tn
}

// tunnelAs opens a tunnel and waits until CloudCore has taken it in.
func (s *site) tunnelAs(t *testing.T, as edge.Tunnel) *tunnel {
	t.Helper()
	tn := s.open(t, as)
	eventually(t, func(ctx context.Context) error {
		if err := s.hasPort(ctx, as.Node); err != nil {
			return err
		}
		ctx, cancel := shortly(ctx)
		defer cancel()
		return tn.conn.Ping(ctx) // it is answered by what hands out requests
	})
	return tn
}

func (s *site) tunnel(t *testing.T, node, ip string) *tunnel {
	t.Helper()
	return s.tunnelAs(t, edge.Tunnel{TLS: s.tls(t, node), Node: node, IP: ip})
}

func (s *site) hasPort(ctx context.Context, node string) error {
	port, err := s.portOf(ctx, node)
	if err == nil && port < 10351 {
		err = fmt.Errorf("the port is %d", port)
	}
	return err
}

// recorded is CloudCore's tunnel port in the record.
func (s *site) recorded(t *testing.T) int {
	t.Helper()
	m := must(s.kube.CoreV1().ConfigMaps(namespace).Get(ctxOf(t), "tunnelport", metav1.GetOptions{}))(t)
	var record struct {
		IPTunnelPort map[string]int  `json:"ipTunnelPort"`
		Port         map[string]bool `json:"port"`
	}
	if err := json.Unmarshal([]byte(m.Annotations["tunnelportrecord.kubeedge.io"]), &record); err != nil {
		t.Fatal(err)
	}
	for _, port := range record.IPTunnelPort {
		if !record.Port[fmt.Sprint(port)] {
			t.Errorf("port %d is not among %v", port, record.Port)
		}
		return port
	}
	t.Fatalf("no port is recorded: %v", m.Annotations)
	return 0
}

// next waits for a frame of the type.
func (tn *tunnel) next(t *testing.T, typ uint64) wire.Frame {
	t.Helper()
	for {
		select {
		case f := <-tn.frames:
			if f.Type == typ {
				return f
			}
		case <-tn.closed:
			t.Fatalf("the tunnel ended before a frame of type %d came", typ)
		case <-time.After(patience):
			t.Fatalf("no frame of type %d came", typ)
		}
	}
}

// opening waits for the request that opens a stream.
func (tn *tunnel) opening(t *testing.T, typ uint64) edge.Opening {
	t.Helper()
	f := tn.next(t, typ)
	o := must(edge.ParseOpening(f))(t)
	if o.ID != f.ID {
		t.Errorf("the frame's id is %d and the request's %d", f.ID, o.ID)
	}
	return o
}

func (tn *tunnel) send(t *testing.T, id, typ uint64, data string) {
	t.Helper()
	if err := tn.conn.Send(wire.Frame{ID: id, Type: typ, Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}

// metrics asks CloudStream for /stats/summary at a host and answers through this tunnel.
func (tn *tunnel) metrics(t *testing.T, s *site, host string, header http.Header) {
	t.Helper()
	get := s.get(t, "/stats/summary", header, func(r *http.Request) { r.Host = host })
	o := tn.opening(t, wire.Metrics)
	tn.send(t, o.ID, wire.Data, "figures\n")
	tn.send(t, o.ID, wire.Remove, "")
	if status, body := get.answer(t); status != http.StatusOK || body != "figures\n" {
		t.Errorf("got %d %q", status, body)
	}
}

var errNoAnswer = errors.New("no answer")
