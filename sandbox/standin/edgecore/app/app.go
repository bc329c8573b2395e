// Package app puts the stand-in for EdgeCore together and runs it.
package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/config"
	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/edged"
	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/edgehub"
	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/enroll"
	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/kubelet"
	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/stream"
	"github.com/edgeway-io/edgeway/sandbox/standin/pki"
	"github.com/edgeway-io/edgeway/sandbox/standin/serve"
	"github.com/edgeway-io/edgeway/sandbox/standin/tunnel"
)

// Run runs EdgeCore, configured by the file at path, with the kubelet at the given path
// until ctx ends.
func Run(ctx context.Context, conf config.Config, path, kubeletBinary string) error {
	if err := checkProcesses(); err != nil {
		return err
	}
	if err := enrollNode(ctx, conf, path); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	hub, err := hubClient(conf)
	if err != nil {
		return err
	}
	group.Go(func() error { return hub.Run(ctx) })
	if conf.Modules.Edged.Enable {
		if err := startKubelet(ctx, group, conf, hub.Gate, kubeletBinary); err != nil {
			return err
		}
	}
	if conf.Modules.EdgeStream.Enable {
		client, err := tunnelClient(conf)
		if err != nil {
			return err
		}
		group.Go(func() error { return client.Run(ctx) })
	} else {
		slog.Warn("no tunnel: logs, exec and metrics of this node cannot be reached; set modules.edgeStream.enable")
	}
	slog.Info("EdgeCore is up (the sandbox's stand-in for KubeEdge)", "node", conf.Modules.Edged.HostnameOverride)
	return group.Wait()
}

// startKubelet starts the kubelet, its way to the cloud, and the server that the tunnel
// asks.
func startKubelet(ctx context.Context, group *errgroup.Group, conf config.Config, gate *edgehub.Gate, binary string) error {
	setup, err := kubelet.Prepare(conf, gate.Address())
	if err != nil {
		return err
	}
	own, err := serve.Listen("EdgeCore", tunnel.EdgeServer)
	if err != nil {
		return err
	}
	group.Go(func() error { return gate.Run(ctx) })
	group.Go(func() error { return serve.Run(ctx, own, edged.Handler(kubelet.Address, setup.Client), nil, nil) })
	group.Go(func() error { return kubelet.Supervise(ctx, binary, setup.Args) })
	return nil
}

// enroll leaves a certificate in place. It does not wait for a cloud that is away or
// refuses: like the real one it gives up, and whatever runs EdgeCore starts it again.
func enrollNode(ctx context.Context, conf config.Config, path string) error {
	hub := conf.Modules.EdgeHub
	err := enroll.Ensure(ctx, enroll.Request{
		Node: conf.Modules.Edged.HostnameOverride, Server: hub.HTTPServer, Token: hub.Token,
		CAFile: hub.TLSCAFile, CertFile: hub.TLSCertFile, KeyFile: hub.TLSPrivateKeyFile,
	})
	if err != nil || hub.Token == "" {
		return err
	}
	return forgetToken(path)
}

func hubClient(conf config.Config) (*edgehub.Client, error) {
	hub := conf.Modules.EdgeHub
	cert, err := tls.LoadX509KeyPair(hub.TLSCertFile, hub.TLSPrivateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("modules.edgeHub.tlsCertFile and tlsPrivateKeyFile: %w", err)
	}
	ca, err := pki.ReadPEM(hub.TLSCAFile)
	if err != nil {
		return nil, fmt.Errorf("modules.edgeHub.tlsCaFile: %w", err)
	}
	roots, err := pki.Pair{Cert: ca}.Pool()
	if err != nil {
		return nil, fmt.Errorf("modules.edgeHub.tlsCaFile: %w", err)
	}
	gate, err := edgehub.NewGate(hub.WebSocket.Server)
	if err != nil {
		return nil, err
	}
	return &edgehub.Client{
		Server: hub.WebSocket.Server, Project: hub.ProjectID, Node: conf.Modules.Edged.HostnameOverride,
		TLS:       &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots, MinVersion: tls.VersionTLS12},
		Heartbeat: time.Duration(hub.Heartbeat) * time.Second,
		Gate:      gate,
	}, nil
}

func tunnelClient(conf config.Config) (*stream.Client, error) {
	edgeStream, edge := conf.Modules.EdgeStream, conf.Modules.Edged
	cert, err := tls.LoadX509KeyPair(edgeStream.TLSTunnelCertFile, edgeStream.TLSTunnelPrivateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("modules.edgeStream.tlsTunnelCertFile and tlsTunnelPrivateKeyFile: %w", err)
	}
	ip := edge.NodeIP
	if ip == "" {
		own, err := utilnet.ChooseHostInterface()
		if err != nil {
			return nil, fmt.Errorf("find this host's address by its default route: %w; set modules.edged.nodeIP", err)
		}
		ip = own.String()
	}
	return &stream.Client{
		Server: edgeStream.Server,
		// The real one verifies nothing about the tunnel's server either.
		TLS:     &tls.Config{Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
		Node:    edge.HostnameOverride,
		IP:      ip,
		Backend: stream.Loopback,
	}, nil
}
