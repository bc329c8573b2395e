package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/edgeway-io/edgeway/internal/enroll/joinhttp"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/limit"
)

// pipes is a listener of connections that a test makes in memory, so that a synthetic
// clock drives their deadlines.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

// bareServer has no cluster to ask.
func bareServer(t *testing.T) *Server {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := New(Config{Version: "v1", Clusters: contexts(t, map[string]string{"host": "http://127.0.0.1:1"}), KubeEdge: &fakeKubeEdge{},
		Join: joinhttp.New(nil, nil, log, joinhttp.Options{}), UI: fstest.MapFS{"index.html": {Data: []byte("console")}}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSlowBodiesAreClosed: 2,000 anonymous requests whose bodies, or headers, never come
// to an end are gone within 30 s.
func TestSlowBodiesAreClosed(t *testing.T) {
	const header = " HTTP/1.1\r\nHost: console\r\nOrigin: http://console\r\nContent-Type: application/json\r\n"
	kinds := []string{
		"POST /api/v1/session" + header + "Content-Length: 5000\r\n\r\n{",
		"POST " + wire.PathLookup + header + "Content-Length: 5000\r\n\r\n{",
		"POST " + wire.PathRedeem + header + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
		"GET /" + header + "Content-Length: 5000\r\n\r\n{",
		"POST /api/v1/clusters" + header + "Content-Length: 5000\r\n\r\n{",
		"GET /api/v1/clusters" + header + "Content-Length: 5000\r\n\r\n{",
		"POST /nowhere" + header + "Content-Length: 5000\r\n\r\n{",
		"POST /api/v1/session HTTP/1.1\r\nHost: con",
	}
	synctest.Test(t, func(t *testing.T) {
		l, srv := newPipes(), bareServer(t).httpServer()
		go srv.Serve(l)
		began := time.Now()
		var open atomic.Int32
		var all, writers sync.WaitGroup
		for i := range 2000 {
			open.Add(1)
			c := l.dial()
			all.Go(func() {
				defer open.Add(-1)
				_, _ = io.Copy(io.Discard, c) // until the server closes it
			})
			writers.Go(func() {
				_, err := io.WriteString(c, kinds[i%len(kinds)])
				for err == nil { // a byte a second
					time.Sleep(time.Second)
					_, err = io.WriteString(c, "x")
				}
			})
		}
		time.Sleep(5 * time.Second)
		if open.Load() < 2000*6/8 {
			t.Errorf("only %d are open after 5 s: the test tests nothing", open.Load())
		}
		all.Wait()
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("the last one was closed after %s, want 30 s at most", took)
		}
		srv.Close()
		writers.Wait()
	})
}

// TestAnAnswerMayTakeLongerThanABody: the deadline of a body that has come, or of one that
// may be left out and was, is off. A second request on the connection shows that its
// context lives.
func TestAnAnswerMayTakeLongerThanABody(t *testing.T) {
	mux := http.NewServeMux()
	huma.Register(humago.New(mux, huma.DefaultConfig("test", "1")), op(http.MethodPost, "/optional", "optional", "A long answer"),
		func(ctx context.Context, _ *struct {
			Body *struct{} `required:"false"`
		}) (*huma.StreamResponse, error) {
			return &huma.StreamResponse{Body: func(hc huma.Context) { answerLate(ctx, hc.BodyWriter()) }}, nil
		})
	mux.HandleFunc("/plain", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			answerLate(r.Context(), w)
		}
	})
	for name, request := range map[string]string{
		"a body":                     "POST /plain HTTP/1.1\r\nHost: console\r\nContent-Length: 2\r\n\r\n{}",
		"no body":                    "POST /plain HTTP/1.1\r\nHost: console\r\nContent-Length: 0\r\n\r\n",
		"an optional body":           "POST /optional HTTP/1.1\r\nHost: console\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"an optional body, left out": "POST /optional HTTP/1.1\r\nHost: console\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{log: slog.New(slog.DiscardHandler)}
				srv := s.httpServer()
				srv.Handler = bodyDeadline(mux)
				l := newPipes()
				go srv.Serve(l)
				c := l.dial()
				defer c.Close()
				reader := bufio.NewReader(c)
				for range 2 {
					go io.WriteString(c, request)
					answer, err := http.ReadResponse(reader, nil)
					if err != nil {
						t.Fatal(err)
					}
					text, err := io.ReadAll(answer.Body)
					if err != nil || string(text) != "still there" {
						t.Errorf("%q %v", text, err)
					}
				}
				srv.Close()
			})
		})
	}
}

func TestAStalledReaderIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		guarded := newListener(l, nil)
		go func() {
			c := l.dial()
			defer c.Close()
			buf := make([]byte, 4)
			for range 3 { // slow, and reading
				time.Sleep(writeStall - time.Second)
				_, _ = io.ReadFull(c, buf)
			}
			<-t.Context().Done()
		}()
		c, err := guarded.Accept()
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := c.Write([]byte("line")); err != nil {
				t.Fatalf("a slow reader is dropped: %v", err)
			}
		}
		began := time.Now()
		var timeout net.Error
		if _, err := c.Write([]byte("line")); !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(began) != writeStall {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		c.Close()
	})
}

func TestConnectionsAreLimited(t *testing.T) {
	for name, tc := range map[string]struct {
		proxies []string
		want    int
	}{"one source": {nil, 2}, "a trusted proxy": {[]string{"127.0.0.1"}, 3}} {
		t.Run(name, func(t *testing.T) {
			proxies, err := limit.ParseProxies(tc.proxies)
			if err != nil {
				t.Fatal(err)
			}
			tcp, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l := newListener(tcp, proxies)
			l.slots = limit.NewSlots(2, 3)
			defer l.Close()
			accepted := make(chan net.Conn)
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					fmt.Fprint(c, "!")
					accepted <- c
				}
			}()
			var open []net.Conn
			for range 5 {
				c, err := net.Dial("tcp", tcp.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := io.ReadFull(c, make([]byte, 1)); err == nil {
					open = append(open, <-accepted)
				}
			}
			if len(open) != tc.want {
				t.Errorf("%d of 5 connections are served, want %d", len(open), tc.want)
			}
			open[0].Close()
			c, err := net.Dial("tcp", tcp.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Errorf("a closed connection has left no room: %v", err)
			} else {
				(<-accepted).Close()
			}
		})
	}
}

// answerLate takes three times as long as a body may.
func answerLate(ctx context.Context, w io.Writer) {
	select {
	case <-time.After(3 * bodyTimeout):
		fmt.Fprint(w, "still there")
	case <-ctx.Done():
		fmt.Fprint(w, ctx.Err())
	}
}
