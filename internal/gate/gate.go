// Package gate is stream-gate, the program beside CloudCore that decides who reaches
// edge nodes and which device is which node. CloudCore's own stream server asks
// nobody who they are, its tunnel server and CloudHub take a node's name from a header, and
// CloudHub signs any name for whoever has a certificate. All listen behind the gate. The
// gate adds no path and no protocol of its own.
//
// Its ends are packages stream, tunnel, hub and certs. The first two share package ticket,
// which ties a request to the node that it was authorized for.
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
	"github.com/edgeway-io/edgeway/internal/gate/certs"
	"github.com/edgeway-io/edgeway/internal/gate/facts"
	"github.com/edgeway-io/edgeway/internal/gate/hub"
	"github.com/edgeway-io/edgeway/internal/gate/stream"
	"github.com/edgeway-io/edgeway/internal/gate/ticket"
	"github.com/edgeway-io/edgeway/internal/gate/tunnel"
)

const (
	// headerTimeout bounds TLS handshake and headers of a caller.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	// requestTimeout and answerTimeout bound a request for a certificate, which is short.
	requestTimeout = 20 * time.Second
	answerTimeout  = time.Minute
	maxHeaders     = 64 << 10
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
	hub     *hub.Server
	stream  http.Handler
	signing http.Handler
	certs   *certificates
	log     *slog.Logger
}

func newGate(o *Options, log *slog.Logger) (*gate, error) {
	own, err := loadCertificates(o.CertDir)
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
	g := &gate{certs: own, log: log}
	if g.access, err = access.New(kube, log); err != nil {
		return nil, err
	}
	if g.facts, err = facts.New(config, transport, log, g.recheck); err != nil {
		return nil, err
	}
	tickets := ticket.NewBook()
	g.tunnels = tunnel.New(tunnel.Config{Facts: g.facts, Tickets: tickets, Core: o.CoreTunnel, TLS: own.toCore(), Log: log})
	g.hub = hub.New(hub.Config{Facts: g.facts, Core: o.CoreHub, Log: log})
	g.signing = certs.New(certs.Config{Facts: g.facts, Core: o.CoreCertificate, Log: log})
	g.stream = stream.New(stream.Config{
		Access: g.access, Addresses: g.facts, Pods: kube.CoreV1(), Tickets: tickets, Core: o.CoreStream, TLS: own.toCore(), Log: log,
	})
	return g, nil
}

// recheck hears of every name that may have lost its right to be connected.
func (g *gate) recheck(node string) {
	g.tunnels.Recheck(node)
	g.hub.Recheck(node)
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
		return g.listen(ctx, door{name: "health", address: o.HealthAddress, handler: health(o, g.facts)})
	})
	group.Go(func() error {
		if g.facts.WaitForSync(ctx) != nil {
			return nil // the program ends
		}
		g.access.WaitForCA(ctx, caPatience)
		for _, d := range g.doors(o) {
			if d.address != "" {
				group.Go(func() error { return g.listen(ctx, d) })
			}
		}
		return nil
	})
	err := group.Wait()
	g.tunnels.Close()
	g.hub.Close()
	return err
}

// door is a server of the gate's; without TLS when tls is nil.
type door struct {
	name, address string
	handler       http.Handler
	tls           *tls.Config
	configure     func(*http.Server)
}

func (g *gate) doors(o *Options) []door {
	return []door{
		{name: "stream", address: o.StreamAddress, handler: g.stream, tls: g.certs.toCallers()},
		{name: "tunnel", address: o.TunnelAddress, handler: g.tunnels, tls: g.facts.DeviceTLS(facts.TunnelDoor)},
		{name: "hub", address: o.HubAddress, handler: g.hub, tls: g.facts.DeviceTLS(facts.HubDoor), configure: func(s *http.Server) {
			s.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
				"h2": func(_ *http.Server, conn *tls.Conn, _ http.Handler) { g.hub.ServeHTTP2(conn) },
			}
		}},
		{name: "certificate", address: o.CertificateAddress, handler: g.signing, tls: g.facts.DeviceTLS(facts.CertificateDoor), configure: func(s *http.Server) {
			s.ReadTimeout, s.WriteTimeout = requestTimeout, answerTimeout
		}},
	}
}

func (g *gate) listen(ctx context.Context, d door) error {
	name, address := d.name, d.address
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for %s: %w", name, err)
	}
	server := &http.Server{
		Handler: d.handler, TLSConfig: d.tls, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaders,
		ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
	if d.configure != nil {
		d.configure(server)
	}
	context.AfterFunc(ctx, func() {
		stop, cancel := context.WithTimeout(context.Background(), graceful)
		defer cancel()
		if server.Shutdown(stop) != nil {
			_ = server.Close() // followed logs never end by themselves
		}
	})
	g.log.Info("listening", "server", name, "address", listener.Addr().String())
	serve := server.Serve
	if d.tls != nil {
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", name, err)
	}
	return nil
}
