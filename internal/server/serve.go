package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/limit"
	"github.com/edgeway-io/edgeway/internal/tlsconfig"
)

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	shutdownGrace = 5 * time.Second
)

// ErrPlainHTTP: plain HTTP was asked for on an address that others can reach.
var ErrPlainHTTP = errcat.New("Usage", "plain HTTP is served on loopback addresses only")

// Listen opens the console's socket: TLS with certs, or plain HTTP on a loopback address
// when certs is nil. Connections are limited in number, those of trusted proxies only
// altogether.
func Listen(address string, certs *Certificates, proxies limit.Proxies) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	if certs == nil {
		if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
			l.Close()
			return nil, fmt.Errorf("listen on %s: %w: give --listen 127.0.0.1:PORT, or leave --insecure-http out", address, ErrPlainHTTP)
		}
		return newListener(l, proxies), nil
	}
	config := tlsconfig.Server()
	config.GetCertificate = certs.Get
	// HTTP/1.1 only: the log and terminal streams are WebSockets.
	config.NextProtos = []string{"http/1.1"}
	return tls.NewListener(newListener(l, proxies), config), nil
}

// httpServer has a deadline for headers; Handler has one for bodies, and a listener
// of Listen one for every write.
func (s *Server) httpServer() *http.Server {
	return &http.Server{Handler: s.Handler(), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
}

// Serve answers on l until ctx ends, then lets running requests finish shortly.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := s.httpServer()
	go s.Background(ctx)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		return srv.Close() // streams do not end by themselves
	}
	return nil
}
