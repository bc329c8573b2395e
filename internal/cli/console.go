package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/joinhttp"
	"github.com/edgeway-io/edgeway/internal/kubeconfig"
	"github.com/edgeway-io/edgeway/internal/limit"
	"github.com/edgeway-io/edgeway/internal/server"
	"github.com/edgeway-io/edgeway/internal/webui"
)

// consoleOptions are the flags of "edgeway console".
type consoleOptions struct {
	kubeconfig, context         string
	listen, dataDir, artifacts  string
	joinKubeconfig, externalURL string
	tlsCert, tlsKey             string
	insecureHTTP, verbose       bool
	trustedProxies              []string
	version                     string
	members                     memberOptions
	oidc                        oidcOptions
}

// NewConsole is the command that serves the web console.
func NewConsole(version string) *cobra.Command {
	o := consoleOptions{version: version}
	cmd := &cobra.Command{
		Use: "console", Short: "Serve the web console and its REST API", Args: noArgs,
		Long: `Serves the web console and its REST API over HTTPS.

Users sign in with a token of the host cluster, or at an OIDC issuer, and everything
is done with their own rights. The host cluster is the kubeconfig's current context;
in a pod and without --kubeconfig, the pod's cluster.

Stored credentials are used for other clusters alone, to impersonate the user there.
Three flags use those of the host cluster: --member-secrets and --member-kubesphere
to read kubeconfigs of other clusters, --oidc-impersonate to name the user to it.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file with a context per cluster (default: as kubectl)")
	f.StringVar(&o.context, "context", "", "context of the host cluster (default: the current one)")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8443", "address and port to serve on")
	f.StringVar(&o.dataDir, "data-dir", "edgeway-console", "directory for the console's own key and certificate")
	f.StringVar(&o.artifacts, "artifacts", "", "directory with edgectl-ARCH and edgecore-ARCH for devices to download, and images-ARCH.tar for offline bundles")
	f.StringVar(&o.joinKubeconfig, "join-kubeconfig", "", "kubeconfig of the ServiceAccount that redeems the host cluster's join codes (default: that of the pod, in a cluster)")
	f.StringVar(&o.externalURL, "external-url", "", "how browsers and devices reach the console (default: https:// and --listen)")
	f.StringVar(&o.tlsCert, "tls-cert", "", "certificate file (default: one of its own, made at first start)")
	f.StringVar(&o.tlsKey, "tls-key", "", "key file of --tls-cert")
	f.BoolVar(&o.insecureHTTP, "insecure-http", false, "serve plain HTTP, on a loopback address only")
	f.StringSliceVar(&o.trustedProxies, "trusted-proxies", nil, "addresses or networks of reverse proxies whose X-Forwarded-For names the client")
	o.members.flags(f)
	o.oidc.flags(f)
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log more")
	return cmd
}

func (o *consoleOptions) run(cmd *cobra.Command) error {
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
	external, err := o.external()
	if err != nil {
		return err
	}
	certs, err := o.certificates(external, log)
	if err != nil {
		return err
	}
	cfg, err := o.config(cmd.Context(), external, log)
	if err != nil {
		return err
	}
	pin := ""
	if certs != nil {
		pin, cfg.KeyPin = certs.Pin(), certs.Pin
	}
	srv, err := server.New(cfg)
	if err != nil {
		return err
	}
	listener, err := server.Listen(o.listen, certs, cfg.Proxies)
	if err != nil {
		return err
	}
	log.Info("console is up", "url", external.String(), "listen", listener.Addr().String(), "pin", pin)
	return srv.Serve(cmd.Context(), listener)
}

// config gathers what the server needs beside its addresses.
func (o *consoleOptions) config(ctx context.Context, external *url.URL, log *slog.Logger) (server.Config, error) {
	all, err := o.members.clusters(ctx, o.kubeconfig, o.context, log)
	if err != nil {
		return server.Config{}, err
	}
	files, err := webui.Files()
	if err != nil {
		return server.Config{}, err
	}
	cfg := server.Config{
		Version: o.version, Clusters: all, KubeEdge: server.NewKubeEdge(log), UI: files, Log: log, ExternalURL: external,
	}
	if cfg.Proxies, err = limit.ParseProxies(o.trustedProxies); err != nil {
		return server.Config{}, usage(fmt.Errorf("--trusted-proxies: %w", err))
	}
	if cfg.OIDC, err = o.oidc.provider(external); err != nil {
		return server.Config{}, err
	}
	var installers *joinhttp.Artifacts
	if o.artifacts != "" {
		if installers, err = joinhttp.LoadArtifacts(o.artifacts); err != nil {
			return server.Config{}, fmt.Errorf("--artifacts: %w", err)
		}
		for _, problem := range installers.Problems() {
			log.Warn("a file for devices is left out", "error", problem)
		}
		cfg.Installers = installers
	}
	cfg.Join, err = o.join(all, installers, cfg.Proxies, log)
	return cfg, err
}

// join is the devices' side. Without a ServiceAccount for it there is none, and the
// console says so to whoever tries to join.
func (o *consoleOptions) join(all clusters.Clusters, installers *joinhttp.Artifacts, proxies limit.Proxies, log *slog.Logger) (http.Handler, error) {
	config, err := o.joinConfig()
	if err != nil {
		return nil, err
	}
	if config == nil {
		log.Warn("join codes cannot be redeemed: give --join-kubeconfig")
		return nil, nil
	}
	sa, err := server.NewObjectClient(config)
	if err != nil {
		return nil, fmt.Errorf("client for redeeming join codes: %w", err)
	}
	return joinhttp.New(server.NewRedeemers(enroll.NewRedeemer(sa, time.Now), all), installers, log, joinhttp.Options{Proxies: proxies}), nil
}

func (o *consoleOptions) joinConfig() (*rest.Config, error) {
	if o.joinKubeconfig != "" {
		config, err := kubeconfig.File(o.joinKubeconfig)
		if err != nil {
			return nil, fmt.Errorf("--join-kubeconfig %s: %w", o.joinKubeconfig, err)
		}
		return config, nil
	}
	if os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		return nil, nil
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("ServiceAccount of the pod: %w", err)
	}
	return config, nil
}

// external is the console's address for browsers and devices.
func (o *consoleOptions) external() (*url.URL, error) {
	if o.externalURL == "" {
		scheme := "https"
		if o.insecureHTTP {
			scheme = "http"
		}
		return &url.URL{Scheme: scheme, Host: o.listen}, nil
	}
	u, err := url.Parse(o.externalURL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || (u.Path != "" && u.Path != "/") {
		return nil, usage(fmt.Errorf("--external-url %q: give https://HOST[:PORT], without a path", o.externalURL))
	}
	u.Path = ""
	return u, nil
}

// certificates are nil with --insecure-http.
func (o *consoleOptions) certificates(external *url.URL, log *slog.Logger) (*server.Certificates, error) {
	if o.insecureHTTP {
		return nil, nil
	}
	return server.NewCertificates(func(now time.Time) (tls.Certificate, error) {
		return server.LoadCertificate(o.tlsCert, o.tlsKey, o.dataDir, o.hosts(external), now)
	}, time.Now, log)
}

// hosts are the names under which the console's own certificate is good.
func (o *consoleOptions) hosts(external *url.URL) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	add := func(h string) {
		if ip := net.ParseIP(h); h != "" && (ip == nil || !ip.IsUnspecified()) {
			hosts = append(hosts, h)
		}
	}
	add(external.Hostname())
	if host, _, err := net.SplitHostPort(o.listen); err == nil {
		add(host)
	}
	if name, err := os.Hostname(); err == nil {
		add(name)
	}
	return hosts
}
