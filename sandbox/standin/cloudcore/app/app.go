// Package app puts the stand-in for CloudCore together and runs it.
package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/certs"
	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/config"
	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/hub"
	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/kube"
	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/secrets"
	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/stream"
	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/tunnelport"
	"github.com/edgeway-io/edgeway/sandbox/standin/pki"
	"github.com/edgeway-io/edgeway/sandbox/standin/serve"
)

// Namespace is the only one in which KubeEdge runs.
const Namespace = "kubeedge"

// Run runs CloudCore until ctx ends.
func Run(ctx context.Context, conf config.Config) error {
	api, err := clientcmd.BuildConfigFromFlags(conf.KubeAPIConfig.Master, conf.KubeAPIConfig.KubeConfig)
	if err != nil {
		return fmt.Errorf("kubeAPIConfig: %w", err)
	}
	api.UserAgent = "cloudcore"
	api.QPS = -1 // hundreds of tunnels may come back at once; the API server looks after itself
	client, err := kubernetes.NewForConfig(api)
	if err != nil {
		return fmt.Errorf("kubeAPIConfig: %w", err)
	}
	core := &core{conf: conf, api: api, client: client, cluster: kube.New(client.CoreV1()), secrets: secrets.NewStore(client.CoreV1().Secrets(Namespace))}
	if err := core.prepare(ctx, client); err != nil {
		return err
	}
	return core.serve(ctx)
}

// core is a CloudCore with what it needs to serve.
type core struct {
	conf       config.Config
	api        *rest.Config
	client     kubernetes.Interface
	cluster    *kube.Cluster
	secrets    *secrets.Store
	ca, server pki.Pair
	tunnelPort int
	address    string // this CloudCore's own
}

// prepare gets the CA, the server certificate, the join token and the tunnel port,
// and waits for kube-apiserver as long as it takes.
func (c *core) prepare(ctx context.Context, client kubernetes.Interface) error {
	ip, err := utilnet.ChooseHostInterface()
	if err != nil {
		return fmt.Errorf("find this host's own address by its default route: %w", err)
	}
	c.address = ip.String()
	return retry(ctx, "prepare CloudCore", func() (err error) {
		if c.ca, err = c.loadCA(ctx); err != nil {
			return err
		}
		cloudHub := c.conf.Modules.CloudHub
		names := slices.DeleteFunc(slices.Clone(cloudHub.DNSNames), func(s string) bool { return s == "" })
		if c.server, err = c.secrets.Server(ctx, c.ca, cloudHub.IPs(), names); err != nil {
			return err
		}
		if err := c.secrets.RenewToken(ctx, c.ca, 2*cloudHub.TokenRefresh()); err != nil {
			return err
		}
		maps := client.CoreV1().ConfigMaps(Namespace)
		if c.tunnelPort, err = tunnelport.Negotiate(ctx, maps, ip.String()); err != nil {
			return err
		}
		return publishConfig(ctx, maps, c.conf)
	})
}

// loadCA prefers a CA in files, as the real one does.
func (c *core) loadCA(ctx context.Context) (pki.Pair, error) {
	cloudHub := c.conf.Modules.CloudHub
	cert, certErr := pki.ReadPEM(cloudHub.TLSCAFile)
	key, keyErr := pki.ReadPEM(cloudHub.TLSCAKeyFile)
	if certErr != nil || keyErr != nil {
		return c.secrets.CA(ctx)
	}
	ca := pki.Pair{Cert: cert, Key: key}
	return ca, c.secrets.SaveCA(ctx, ca)
}

func (c *core) serve(ctx context.Context) error {
	own, err := c.server.TLS()
	if err != nil {
		return fmt.Errorf("CloudCore's certificate: %w", err)
	}
	edges, err := c.ca.Pool()
	if err != nil {
		return err
	}
	doors, err := hub.NewFromConfig(c.api, c.cluster, int(c.conf.Modules.CloudHub.NodeLimit))
	if err != nil {
		return err
	}
	mutual := hub.TLS(own, edges)
	group, ctx := errgroup.WithContext(ctx)
	cloud, err := c.edgeNodes(ctx, group)
	if err != nil {
		return err
	}
	doors.Pods, doors.Register = cloud.down, cloud.up.CreateNode
	start := func(name, address string, h http.Handler, conf *tls.Config, configure func(*http.Server)) {
		group.Go(func() error {
			l, err := serve.Listen(name, address)
			if err != nil {
				return err
			}
			slog.Info("listening", "server", name, "address", l.Addr().String())
			return serve.Run(ctx, l, h, conf, configure)
		})
	}
	cloudHub, cloudStream := c.conf.Modules.CloudHub, c.conf.Modules.CloudStream
	if cloudHub.HTTPS.Enable {
		start("cloudHub.https", cloudHub.HTTPS.HostPort(), certs.NewHandler(c.ca, cloudHub.EdgeCertLife(), c.cluster),
			&tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}, nil)
	}
	if cloudHub.WebSocket.Enable {
		start("cloudHub.websocket", cloudHub.WebSocket.HostPort(), upgrades(cloud.hub, doors), mutual, doors.Configure)
	}
	if cloudStream.Enable {
		streamTLS, err := streamTLS(cloudStream)
		if err != nil {
			return err
		}
		tunnelTLS, err := tunnelTLS(cloudStream, own, edges)
		if err != nil {
			return err
		}
		tunnels := stream.NewTunnels(c.cluster, c.tunnelPort)
		start("cloudStream.tunnelPort", anyAddress(cloudStream.TunnelPort), tunnels.Handler(), tunnelTLS, nil)
		start("cloudStream.streamPort", anyAddress(cloudStream.StreamPort), stream.NewServer(tunnels, c.cluster).Handler(), streamTLS, nil)
	}
	if address := c.conf.CommonConfig.MonitorServer.BindAddress; address != "" {
		start("monitorServer", address, metrics(func() int { return doors.Connected() + cloud.hub.Connected() }), nil, nil)
	}
	group.Go(func() error { return c.renewTokens(ctx) })
	slog.Info("CloudCore is up (the sandbox's stand-in for KubeEdge)", "tunnelPort", c.tunnelPort)
	return group.Wait()
}

// tunnelTLS takes the tunnel's CA and certificate from files where there are any, else
// CloudHub's, as the real one does.
func tunnelTLS(conf config.CloudStream, own tls.Certificate, edges *x509.CertPool) (*tls.Config, error) {
	if ca, err := pki.ReadPEM(conf.TLSTunnelCAFile); err == nil {
		if edges, err = (pki.Pair{Cert: ca}).Pool(); err != nil {
			return nil, fmt.Errorf("modules.cloudStream.tlsTunnelCAFile: %w", err)
		}
	}
	cert, certErr := pki.ReadPEM(conf.TLSTunnelCertFile)
	key, keyErr := pki.ReadPEM(conf.TLSTunnelPrivateKeyFile)
	if (certErr == nil) != (keyErr == nil) {
		return nil, errors.New("modules.cloudStream: tlsTunnelCertFile and tlsTunnelPrivateKeyFile belong together; give both or none")
	}
	if certErr == nil {
		var err error
		if own, err = (pki.Pair{Cert: cert, Key: key}).TLS(); err != nil {
			return nil, fmt.Errorf("modules.cloudStream.tlsTunnelCertFile: %w", err)
		}
	}
	return hub.TLS(own, edges), nil
}

// streamTLS asks for a client certificate and never checks it. That is no
// oversight of ours: KubeEdge's port is like that, and what guards it has to be
// proven against the same.
func streamTLS(conf config.CloudStream) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(conf.TLSStreamCertFile, conf.TLSStreamPrivateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("modules.cloudStream.tlsStreamCertFile and tlsStreamPrivateKeyFile: %w; mount the stream certificate there", err)
	}
	if _, err := pki.ReadPEM(conf.TLSStreamCAFile); err != nil {
		return nil, fmt.Errorf("modules.cloudStream.tlsStreamCAFile: %w; mount the stream CA there", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}, nil
}

func (c *core) renewTokens(ctx context.Context) error {
	every := c.conf.Modules.CloudHub.TokenRefresh()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			err := retry(ctx, "renew the join token", func() error { return c.secrets.RenewToken(ctx, c.ca, 2*every) })
			if err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// metrics serves the one figure of CloudCore's own that KubeEdge has.
func metrics(connected func() int) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		const name = "KubeEdge_CloudHub_connected_nodes"
		_, err := fmt.Fprintf(w, "# HELP %[1]s Edge nodes with a connection to this CloudHub.\n# TYPE %[1]s gauge\n%[1]s %[2]d\n", name, connected())
		if err != nil {
			slog.Debug("the scraper went away", "err", err)
		}
	})
	return mux
}

func anyAddress(port uint16) string { return net.JoinHostPort("", fmt.Sprint(port)) }

// retry calls do until it works or ctx ends, more and more seldom.
func retry(ctx context.Context, what string, do func() error) error {
	const longest = 10 * time.Second
	for wait := time.Second; ; wait = min(2*wait, longest) {
		err := do()
		if err == nil {
			return nil
		}
		slog.Warn("will try again", "what", what, "in", wait, "err", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}
