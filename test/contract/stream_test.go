package contract

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/test/contract/wire"
)

// streamBehaviors are CloudStream's server for kube-apiserver and scrapers.
var streamBehaviors = []behavior[*site]{
	{"S01", "CloudStream serves anyone: it asks for a client certificate and checks none", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		ip := s.ip()
		s.tunnel(t, name, ip).metrics(t, s, ip, nil) // its client has no certificate
	}},
	{"S02", "CloudStream presents the configured stream certificate", func(t *testing.T, s *site) {
		conn := must(tls.Dial("tcp", s.core.Stream, &tls.Config{InsecureSkipVerify: true}))(t)
		defer func() { _ = conn.Close() }()
		if got := conn.ConnectionState().PeerCertificates[0].Raw; string(got) != string(s.core.StreamCert) {
			t.Error("it presents another one")
		}
	}},
	{"S03", "/containerLogs/NS/POD/CONTAINER goes down the tunnel of the pod's node as type 0, for http://127.0.0.1:10350, with path, query and no method", func(t *testing.T, s *site) {
		tn, get := s.logs(t, nil)
		o := tn.opening(t, wire.Logs)
		if got, want := o.URL.String(), "http://127.0.0.1:10350"+get.path; got != want || o.Method != "" {
			t.Errorf("%s %s, want %s", o.Method, got, want)
		}
		get.leave()
	}},
	{"S04", "The request's headers go to the edge, Authorization among them", func(t *testing.T, s *site) {
		tn, get := s.logs(t, http.Header{"Authorization": {"Bearer secret"}, "X-Own": {"1"}})
		o := tn.opening(t, wire.Logs)
		if o.Header.Get("Authorization") != "Bearer secret" || o.Header.Get("X-Own") != "1" {
			t.Errorf("the headers are %v", o.Header)
		}
		get.leave()
	}},
	{"S05", "Data arrives as it comes; status 200 goes with the first of it, so that a log without a line yet has no answer yet", func(t *testing.T, s *site) {
		tn, get := s.logs(t, nil)
		o := tn.opening(t, wire.Logs)
		if err := get.begin(2 * time.Second); !errors.Is(err, errNoAnswer) {
			t.Errorf("there is an answer before the first line: %v", err)
		}
		tn.send(t, o.ID, wire.Data, "one\n")
		if status, line := get.status(t), get.line(t); status != http.StatusOK || line != "one\n" {
			t.Errorf("got %d %q", status, line)
		}
		get.leave()
	}},
	{"S06", "An error of the edge is the body of a 200: its text as data, then type 4", func(t *testing.T, s *site) {
		tn, get := s.logs(t, nil)
		o := tn.opening(t, wire.Logs)
		tn.send(t, o.ID, wire.Data, `pod "nope" does not exist`)
		tn.send(t, o.ID, wire.Remove, "")
		if status, body := get.answer(t); status != http.StatusOK || body != `pod "nope" does not exist` {
			t.Errorf("got %d %q", status, body)
		}
	}},
	{"S07", "A pod that does not exist answers 500 and no word", func(t *testing.T, s *site) {
		s.answers(t, s.logsOf("nope"), nil, http.StatusInternalServerError, "")
	}},
	{"S08", "A pod whose node never had a tunnel here answers 500 and no word", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		s.pod(t, name, name)
		s.answers(t, s.logsOf(name), nil, http.StatusInternalServerError, "")
	}},
	{"S09", "A pod that no node was chosen for answers 500 and no word", func(t *testing.T, s *site) {
		name := s.name(t)
		s.pod(t, name, "")
		s.answers(t, s.logsOf(name), nil, http.StatusInternalServerError, "")
	}},
	{"S10", "After a tunnel has closed, logs and metrics of its node answer 200 with an empty body", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		s.pod(t, name, name)
		ip := s.ip()
		tn := s.tunnel(t, name, ip)
		tn.conn.Leave()
		eventually(t, func(context.Context) error {
			for _, path := range []string{s.logsOf(name), "/stats/summary"} {
				status, body, err := s.get(t, path, nil, func(r *http.Request) { r.Host = ip }).try(3 * time.Second)
				if err != nil || status != http.StatusOK || body != "" {
					return fmt.Errorf("%s: %d %q: %w", path, status, body, errors.Join(err, errNoAnswer))
				}
			}
			return nil
		})
	}},
	{"S11", "There is no port-forward and nothing else of a kubelet's: other paths answer 404", func(t *testing.T, s *site) {
		for _, path := range []string{"/portForward/default/p", "/run/default/p/c", "/pods", "/runningpods", "/configz", "/healthz", "/logs/", "/checkpoint/default/p/c", "/"} {
			s.answers(t, path, nil, http.StatusNotFound, "*")
		}
	}},
	{"S12", "Logs and metrics by other methods than GET answer 405", func(t *testing.T, s *site) {
		for _, path := range []string{"/containerLogs/default/p/c", "/stats/summary", "/metrics"} {
			post := s.get(t, path, nil, func(r *http.Request) { r.Method = http.MethodPost })
			if status, _ := post.answer(t); status != http.StatusMethodNotAllowed {
				t.Errorf("POST %s answers %d", path, status)
			}
		}
	}},
	{"S13", "/stats, /stats/summary, /stats/container, /metrics, /metrics/cadvisor, /metrics/probes and /metrics/resource go down as type 2, also /stats/POD/CONTAINER and /stats/NS/POD/UID/CONTAINER", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		ip := s.ip()
		tn := s.tunnel(t, name, ip)
		for _, path := range []string{"/stats", "/stats/summary", "/stats/container", "/stats/p/c", "/stats/ns/p/u/c",
			"/metrics", "/metrics/cadvisor", "/metrics/probes", "/metrics/resource"} {
			get := s.get(t, path, nil, func(r *http.Request) { r.Host = ip })
			o := tn.opening(t, wire.Metrics)
			tn.send(t, o.ID, wire.Data, "x\n")
			tn.send(t, o.ID, wire.Remove, "")
			if status, body := get.answer(t); status != http.StatusOK || body != "x\n" || o.URL.Path != path {
				t.Errorf("%s: %d %q, asked for %s", path, status, body, o.URL.Path)
			}
		}
	}},
	{"S14", "Metrics find the node by the header X-Forwarded-Uri, /api/v1/nodes/NAME/proxy/…, before the Host", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		s.tunnel(t, name, s.ip()).metrics(t, s, "203.0.113.250:10351", forwarded(name))
	}},
	{"S15", "Without X-Forwarded-Uri, or with one that is too short, metrics find the node by the address in Host, whatever its port", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		ip := s.ip()
		tn := s.tunnel(t, name, ip)
		tn.metrics(t, s, ip+":10351", nil)
		tn.metrics(t, s, ip, http.Header{"X-Forwarded-Uri": {"/api/v1/nodes/" + name + "/proxy"}})
	}},
	{"S16", "A Host with an IPv6 address finds no node: 500", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		s.tunnel(t, name, "2001:db8::7")
		get := s.get(t, "/stats/summary", nil, func(r *http.Request) { r.Host = "[2001:db8::7]:10351" })
		if status, _ := get.answer(t); status != http.StatusInternalServerError {
			t.Errorf("got %d", status)
		}
	}},
	{"S17", "A node that is unknown by name and address answers 500 and no word", func(t *testing.T, s *site) {
		s.answers(t, "/stats/summary", forwarded("nobody"), http.StatusInternalServerError, "")
		s.answers(t, "/metrics", nil, http.StatusInternalServerError, "")
	}},
	{"S18", "When the reader leaves, the edge gets type 4 for that stream", func(t *testing.T, s *site) {
		tn, get := s.logs(t, nil)
		o := tn.opening(t, wire.Logs)
		tn.send(t, o.ID, wire.Data, "one\n")
		get.line(t)
		get.leave()
		if f := tn.next(t, wire.Remove); f.ID != o.ID {
			t.Errorf("stream %d was ended, not %d", f.ID, o.ID)
		}
	}},
	{"S19", "When the tunnel breaks in the middle of a log, the answer ends as if it were complete", func(t *testing.T, s *site) {
		tn, get := s.logs(t, nil)
		o := tn.opening(t, wire.Logs)
		tn.send(t, o.ID, wire.Data, "one\n")
		get.line(t)
		tn.conn.Leave()
		if status, body := get.answer(t); status != http.StatusOK || body != "" {
			t.Errorf("got %d %q after the first line", status, body)
		}
	}},
	{"S20", "exec and attach without an upgrade answer 500", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		s.pod(t, name, name)
		s.tunnel(t, name, s.ip())
		for _, path := range []string{"/exec/default/" + name + "/c", "/attach/default/" + name + "/c"} {
			s.answers(t, path, nil, http.StatusInternalServerError, "")
		}
	}},
	{"S21", "exec goes down as type 1, attach as type 6, with the request's method; bytes then pass both ways as they are", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		s.pod(t, name, name)
		tn := s.tunnel(t, name, s.ip())
		for path, typ := range map[string]uint64{"/exec": wire.Exec, "/attach": wire.Attach} {
			for _, tail := range []string{"/c", "/uid/c"} {
				s.upgrade(t, tn, path+"/default/"+name+tail+"?command=ls", typ)
			}
		}
	}},
	{"S22", "When the client of an exec or attach leaves, the edge gets type 4, again and again until it answers with type 4", func(t *testing.T, s *site) {
		tn, name := s.podWithTunnel(t)
		for path, typ := range map[string]uint64{"/exec": wire.Exec, "/attach": wire.Attach} {
			client := s.dialStream(t, path+"/default/"+name+"/c")
			o := tn.opening(t, typ)
			_ = client.Close() // that it closes is what is looked at
			for range 2 {
				if f := tn.next(t, wire.Remove); f.ID != o.ID {
					t.Errorf("stream %d was ended, not %d", f.ID, o.ID)
				}
			}
			tn.send(t, o.ID, wire.Remove, "")
			tn.settle(t, s, name)
		}
	}},
	{"S24", "When the edge ends an exec, the client's connection stays until the client writes: that still reaches the edge, then the connection is closed", func(t *testing.T, s *site) {
		tn, name := s.podWithTunnel(t)
		client := s.dialStream(t, "/exec/default/"+name+"/c")
		o := tn.opening(t, wire.Exec)
		tn.send(t, o.ID, wire.Remove, "")
		tn.settle(t, s, name)
		if _, err := io.WriteString(client, "x"); err != nil {
			t.Fatal(err)
		}
		if f := tn.next(t, wire.Data); f.ID != o.ID || string(f.Data) != "x" {
			t.Errorf("the edge got %q of stream %d", f.Data, f.ID)
		}
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the client reads %v", err)
		}
	}},
	{"S23", "A reader that does not read holds up all other streams of its node", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		s.pod(t, name, name)
		ip := s.ip()
		tn := s.tunnel(t, name, ip)
		stalled := s.dialStreamPlain(t, s.logsOf(name))
		o := tn.opening(t, wire.Logs)
		tn.fill(t, o.ID)
		_ = stalled.Close() // which frees the tunnel, or the next would wait for ever
	}},
}

func forwarded(node string) http.Header {
	return http.Header{"X-Forwarded-Uri": {"/api/v1/nodes/" + node + "/proxy/stats/summary"}}
}

func (s *site) logsOf(pod string) string { return "/containerLogs/default/" + pod + "/c" }

// podWithTunnel is a node with a tunnel and a pod of the node's name.
func (s *site) podWithTunnel(t *testing.T) (*tunnel, string) {
	t.Helper()
	name := s.name(t)
	s.node(t, name)
	s.pod(t, name, name)
	return s.tunnel(t, name, s.ip()), name
}

// settle lets a request pass, so that CloudCore has worked off all frames before it.
func (tn *tunnel) settle(t *testing.T, s *site, node string) {
	t.Helper()
	tn.metrics(t, s, "203.0.113.250", forwarded(node))
}

// logs is a node with a tunnel and a request for a log of its pod.
func (s *site) logs(t *testing.T, header http.Header) (*tunnel, *request) {
	t.Helper()
	tn, name := s.podWithTunnel(t)
	return tn, s.get(t, s.logsOf(name)+"?follow=true&tailLines=7", header)
}

// request to CloudStream under way.
type request struct {
	path  string
	got   chan *http.Response
	err   chan error
	leave context.CancelFunc
	resp  *http.Response
	body  *bufio.Reader
}

// get sends a request to CloudStream, without a client certificate.
func (s *site) get(t *testing.T, path string, header http.Header, change ...func(*http.Request)) *request {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	req := must(http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.core.Stream+path, nil))(t)
	for k, v := range header {
		req.Header[k] = v
	}
	for _, c := range change {
		c(req)
	}
	r := &request{path: path, got: make(chan *http.Response, 1), err: make(chan error, 1), leave: cancel}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	go func() {
		resp, err := transport.RoundTrip(req)
		if err != nil {
			r.err <- err
			return
		}
		r.got <- resp
	}()
	return r
}

func (r *request) begin(within time.Duration) error {
	if r.resp != nil {
		return nil
	}
	select {
	case r.resp = <-r.got:
		r.body = bufio.NewReader(r.resp.Body)
		return nil
	case err := <-r.err:
		return err
	case <-time.After(within):
		return errNoAnswer
	}
}

func (r *request) status(t *testing.T) int {
	t.Helper()
	if err := r.begin(patience); err != nil {
		t.Fatalf("%s: %v", r.path, err)
	}
	return r.resp.StatusCode
}

func (r *request) line(t *testing.T) string {
	t.Helper()
	r.status(t)
	line, err := r.body.ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", r.path, err)
	}
	return line
}

// try gives the whole answer.
func (r *request) try(within time.Duration) (int, string, error) {
	if err := r.begin(within); err != nil {
		r.leave()
		return 0, "", err
	}
	timer := time.AfterFunc(within, r.leave)
	defer timer.Stop()
	body, err := io.ReadAll(r.body)
	return r.resp.StatusCode, string(body), err
}

func (r *request) answer(t *testing.T) (int, string) {
	t.Helper()
	status, body, err := r.try(patience)
	if err != nil {
		t.Fatalf("%s: %v", r.path, err)
	}
	return status, body
}

// answers checks an answer; the body "*" is any.
func (s *site) answers(t *testing.T, path string, header http.Header, status int, body string) {
	t.Helper()
	got, text := s.get(t, path, header).answer(t)
	if got != status || body != "*" && text != body {
		t.Errorf("%s: %d %q, want %d %q", path, got, text, status, body)
	}
}

// dialStream sends a request to upgrade and leaves the connection to the caller.
func (s *site) dialStream(t *testing.T, path string) net.Conn {
	t.Helper()
	return s.rawStream(t, "POST "+path+" HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n")
}

// dialStreamPlain sends a GET and reads nothing.
func (s *site) dialStreamPlain(t *testing.T, path string) net.Conn {
	t.Helper()
	return s.rawStream(t, "GET "+path+" HTTP/1.1\r\nHost: edge\r\n\r\n")
}

func (s *site) rawStream(t *testing.T, head string) net.Conn {
	t.Helper()
	conn := must(tls.Dial("tcp", s.core.Stream, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}))(t)
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	return conn
}

// upgrade lets bytes pass both ways.
func (s *site) upgrade(t *testing.T, tn *tunnel, path string, typ uint64) {
	t.Helper()
	client := s.dialStream(t, path)
	o := tn.opening(t, typ)
	if got, want := o.URL.String(), "http://127.0.0.1:10350"+path; got != want || o.Method != http.MethodPost {
		t.Errorf("%s %s, want POST %s", o.Method, got, want)
	}
	const answer = "HTTP/1.1 101 Switching Protocols\r\n\r\nhello"
	tn.send(t, o.ID, wire.Data, answer)
	got := make([]byte, len(answer))
	if _, err := io.ReadFull(client, got); err != nil || string(got) != answer {
		t.Errorf("the client got %q, %v", got, err)
	}
	if _, err := io.WriteString(client, "input"); err != nil {
		t.Fatal(err)
	}
	var data strings.Builder
	for data.Len() < len("input") {
		f := tn.next(t, wire.Data)
		data.Write(f.Data)
	}
	if data.String() != "input" {
		t.Errorf("the edge got %q", data.String())
	}
	tn.send(t, o.ID, wire.Remove, "")
}

// fill sends data until the tunnel takes no more.
func (tn *tunnel) fill(t *testing.T, id uint64) {
	t.Helper()
	const most = 256 // MiB, more than all buffers between here and the reader
	data := make([]byte, wire.MaxData)
	for range most {
		if err := tn.conn.TrySend(wire.Frame{ID: id, Type: wire.Data, Data: data}, 10*time.Second); err != nil {
			return
		}
	}
	t.Errorf("the tunnel took %d MiB for a reader that does not read", most)
}
