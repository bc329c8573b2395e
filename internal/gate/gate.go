// Package gate is stream-gate, the program beside CloudCore that decides who reaches
// edge nodes and which device is which node. CloudCore's own stream server asks
// nobody who they are, and its tunnel server takes a node's name from a header; both
// listen behind the gate. The gate adds no path and no protocol of its own.
//
// Its two ends are packages stream and tunnel. They share package ticket, which ties a
// request to the node that it was authorized for.
package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/edgeway-io/edgeway/internal/gate/access"
	"github.com/edgeway-io/edgeway/internal/gate/facts"
	"github.com/edgeway-io/edgeway/internal/gate/stream"
	"github.com/edgeway-io/edgeway/internal/gate/ticket"
	"github.com/edgeway-io/edgeway/internal/gate/tunnel"
)

const (
	// headerTimeout bounds TLS handshake and headers of a caller.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeaders    = 64 << 10
	// gcPercent keeps the heap near to what idle tunnels hold: there are many of them and
	// little is allocated for what passes.
	gcPercent = 20
	// caPatience bounds the wait for a client CA, which a cluster need not have.
	caPatience = 5 * time.Second
	// graceful bounds the wait for requests under way when the program ends.
	graceful = 2 * time.Second
)

// NewCommand is the command stream-gate.
func NewCommand(log *slog.Logger) *cobra.Command {
	options := DefaultOptions()
	cmd := &cobra.Command{
		Use:           "stream-gate",
		Short:         "Guard the way to edge nodes, and their tunnels",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return Run(cmd.Context(), options, log) },
	}
	options.AddFlags(cmd.Flags())
	return cmd
}

// Run serves until ctx ends.
func Run(ctx context.Context, o *Options, log *slog.Logger) error {
	if err := o.Validate(); err != nil {
		return err
	}
	klog.SetSlogLogger(log) // client-go logs through a package variable
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	g, err := newGate(o, log)
	if err != nil {
		return err
	}
	return g.serve(ctx, o)
}

// gate is all parts, put together.
type gate struct {
	access  *access.Control
	facts   *facts.Facts
	tunnels *tunnel.Server
	stream  http.Handler
	certs   *certificates
	log     *slog.Logger
}

func newGate(o *Options, log *slog.Logger) (*gate, error) {
	certs, err := loadCertificates(o.CertDir)
	if err != nil {
		return nil, err
	}
	config, transport, err := restConfig(o.Kubeconfig)
	if err != nil {
		return nil, err
	}
	kube, err := kubernetes.NewForConfigAndClient(config, transport)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	g := &gate{certs: certs, log: log}
	if g.access, err = access.New(kube, log); err != nil {
		return nil, err
	}
	if g.facts, err = facts.New(config, transport, log, func(node string) { g.tunnels.Recheck(node) }); err != nil {
		return nil, err
	}
	tickets := ticket.NewBook()
	g.tunnels = tunnel.New(tunnel.Config{Facts: g.facts, Tickets: tickets, Core: o.CoreTunnel, TLS: certs.toCore(), Log: log})
	g.stream = stream.New(stream.Config{
		Access: g.access, Addresses: g.facts, Pods: kube.CoreV1(), Tickets: tickets, Core: o.CoreStream, TLS: certs.toCore(), Log: log,
	})
	return g, nil
}

func restConfig(kubeconfig string) (*rest.Config, *http.Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, nil, fmt.Errorf("read kubeconfig %q: %w", kubeconfig, err)
	}
	// The apiserver's priority and fairness decides how fast we may be, not a fixed rate.
	config.QPS = -1
	config.UserAgent = "stream-gate"
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, nil, fmt.Errorf("make client: %w", err)
	}
	return config, transport, nil
}

// serve opens each door once what it decides by is known.
func (g *gate) serve(ctx context.Context, o *Options) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		g.access.Run(ctx)
		return nil
	})
	group.Go(func() error {
		g.facts.Run(ctx)
		return nil
	})
	group.Go(func() error {
		if g.facts.WaitForSync(ctx) != nil {
			return nil // the program ends
		}
		g.access.WaitForCA(ctx, caPatience)
		group.Go(func() error { return g.listen(ctx, "stream", o.StreamAddress, g.stream, g.certs.toCallers()) })
		group.Go(func() error { return g.listen(ctx, "tunnel", o.TunnelAddress, g.tunnels, g.facts.DeviceTLS()) })
		return nil
	})
	err := group.Wait()
	g.tunnels.Close()
	return err
}

func (g *gate) listen(ctx context.Context, name, address string, h http.Handler, conf *tls.Config) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for %s: %w", name, err)
	}
	server := &http.Server{
		Handler: h, TLSConfig: conf, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaders,
		ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
	context.AfterFunc(ctx, func() {
		stop, cancel := context.WithTimeout(context.Background(), graceful)
		defer cancel()
		if server.Shutdown(stop) != nil {
			_ = server.Close() // followed logs never end by themselves
		}
	})
	g.log.Info("listening", "server", name, "address", listener.Addr().String())
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", name, err)
	}
	return nil
}
