package reconnect

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// absent is an address at which nobody listens yet.
func absent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func serve(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
}

// clientFor is a client with a short pause and the attempts it has made.
func clientFor(log *slog.Logger) (*http.Client, *atomic.Int32) {
	attempts := &atomic.Int32{}
	counting := roundTrip(func(r *http.Request) (*http.Response, error) {
		attempts.Add(1)
		return http.DefaultTransport.RoundTrip(r)
	})
	return &http.Client{Transport: &transport{next: counting, log: log, pause: time.Millisecond, away: &atomic.Bool{}}}, attempts
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestReadsWaitForTheServer(t *testing.T) {
	address := absent(t)
	var said strings.Builder
	client, attempts := clientFor(slog.New(slog.NewTextHandler(&said, nil)))
	answer := make(chan error, 1)
	go func() {
		resp, err := client.Get("http://" + address)
		if err == nil {
			err = resp.Body.Close()
		}
		answer <- err
	}()
	for attempts.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	serve(t, address)
	if err := <-answer; err != nil {
		t.Errorf("a read begun before the server was there: %v", err)
	}
	for _, want := range []string{"cannot be reached", "is back"} {
		if n := strings.Count(said.String(), want); n != 1 {
			t.Errorf("the log says %q %d times, want once:\n%s", want, n, said.String())
		}
	}
}

func TestWritesFailAtOnce(t *testing.T) {
	client, attempts := clientFor(slog.New(slog.DiscardHandler))
	_, err := client.Post("http://"+absent(t), "text/plain", strings.NewReader("x"))
	if !errors.Is(err, syscall.ECONNREFUSED) || attempts.Load() != 1 {
		t.Errorf("a write ended with %v after %d attempts, want one refused connection", err, attempts.Load())
	}
}

func TestReadsEndWithTheirContext(t *testing.T) {
	client, _ := clientFor(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+absent(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(r); err == nil {
		t.Error("a read of an absent server succeeded")
	}
}

func TestWrapServesClients(t *testing.T) {
	address := absent(t)
	serve(t, address)
	config := &rest.Config{Host: "http://" + address}
	Wrap(config, slog.New(slog.DiscardHandler))
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Get(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "here" {
		t.Errorf("the server answered %q (%v), want here", b, err)
	}
}

// TestSilentConnectionsEnd lets a watch's connection die without a word: the client
// must notice long before client-go's 45 s.
func TestSilentConnectionsEnd(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	silence, address := relay(t, server.Listener.Addr().String())
	config := &rest.Config{Host: "https://" + address, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	Wrap(config, slog.New(slog.DiscardHandler))
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	silence()
	if _, err := io.ReadAll(resp.Body); err == nil || ctx.Err() != nil {
		t.Errorf("the watch over a dead connection ended with %v (%v), want the connection's own error", err, ctx.Err())
	}
}

// relay passes bytes on to an address until silence is called; from then on it takes
// bytes and passes none.
func relay(t *testing.T, to string) (silence func(), address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var silent atomic.Bool
	pass := func(to io.Writer, from io.Reader) {
		_, _ = io.Copy(writer(func(b []byte) (int, error) {
			if silent.Load() {
				return len(b), nil
			}
			return to.Write(b)
		}), from)
	}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				return
			}
			t.Cleanup(func() { near.Close(); far.Close() })
			go pass(far, near)
			go pass(near, far)
		}
	}()
	return func() { silent.Store(true) }, l.Addr().String()
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
