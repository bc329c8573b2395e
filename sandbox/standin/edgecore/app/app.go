// Package app puts the stand-in for EdgeCore together and runs it.
package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/config"
	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/edged"
	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/enroll"
	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/kubelet"
	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/stream"
	"github.com/edgeway-io/edgeway/sandbox/standin/pki"
	"github.com/edgeway-io/edgeway/sandbox/standin/serve"
	"github.com/edgeway-io/edgeway/sandbox/standin/tunnel"
)

// Run runs EdgeCore with the kubelet at the given path until ctx ends.
func Run(ctx context.Context, conf config.Config, kubeletBinary string) error {
	if err := enrol(ctx, conf); err != nil {
		return err
	}
	setup, err := kubelet.Prepare(conf)
	if err != nil {
		return err
	}
	own, err := serve.Listen("EdgeCore", tunnel.EdgeServer)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serve.Run(ctx, own, edged.Handler(kubelet.Address, setup.Client), nil, nil) })
	group.Go(func() error { return kubelet.Supervise(ctx, kubeletBinary, setup.Args) })
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

// enrol waits for CloudHub as long as it takes, but not after a refusal.
func enrol(ctx context.Context, conf config.Config) error {
	const longest = 30 * time.Second
	hub := conf.Modules.EdgeHub
	request := enroll.Request{
		Node: conf.Modules.Edged.HostnameOverride, Server: hub.HTTPServer, Token: hub.Token,
		CAFile: hub.TLSCAFile, CertFile: hub.TLSCertFile, KeyFile: hub.TLSPrivateKeyFile,
	}
	for wait := 2 * time.Second; ; wait = min(2*wait, longest) {
		err := enroll.Ensure(ctx, request)
		if err == nil || errors.Is(err, enroll.ErrRefused) {
			return err
		}
		slog.Warn("no certificate yet", "err", err, "again in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

func tunnelClient(conf config.Config) (*stream.Client, error) {
	edgeStream, edge := conf.Modules.EdgeStream, conf.Modules.Edged
	cert, err := tls.LoadX509KeyPair(edgeStream.TLSTunnelCertFile, edgeStream.TLSTunnelPrivateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("modules.edgeStream.tlsTunnelCertFile and tlsTunnelPrivateKeyFile: %w", err)
	}
	ca, err := pki.ReadPEM(edgeStream.TLSTunnelCAFile)
	if err != nil {
		return nil, fmt.Errorf("modules.edgeStream.tlsTunnelCAFile: %w", err)
	}
	roots, err := pki.Pair{Cert: ca}.Pool()
	if err != nil {
		return nil, fmt.Errorf("modules.edgeStream.tlsTunnelCAFile: %w", err)
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
		Server:  edgeStream.Server,
		TLS:     &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots, MinVersion: tls.VersionTLS12},
		Node:    edge.HostnameOverride,
		IP:      ip,
		Backend: stream.Loopback,
	}, nil
}
