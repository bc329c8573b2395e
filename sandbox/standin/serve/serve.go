// Package serve runs HTTP servers until a context ends.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// grace is how long a server waits for requests that ignore their context.
const grace = 3 * time.Second

// Listen opens a TCP port; the error names the server and the address.
func Listen(name, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s cannot listen on %s; is another process there? %w", name, address, err)
	}
	return l, nil
}

// Run serves a handler on a listener until ctx ends, with TLS unless conf is nil.
// The requests' contexts end with ctx. configure, if not nil, may adjust the server
// before it starts.
func Run(ctx context.Context, l net.Listener, h http.Handler, conf *tls.Config, configure func(*http.Server)) error {
	server := &http.Server{
		Handler:           h,
		TLSConfig:         conf,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	if configure != nil {
		configure(server)
	}
	stopped := make(chan error, 1)
	go func() {
		if conf != nil {
			stopped <- server.ServeTLS(l, "", "")
		} else {
			stopped <- server.Serve(l)
		}
	}()
	select {
	case err := <-stopped:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	return shutdown(server, l.Addr())
}

func shutdown(server *http.Server, addr net.Addr) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if err != nil {
		return fmt.Errorf("stop serving %s: %w", addr, err)
	}
	return nil
}
