package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/edgeway-io/edgeway/internal/samples"
	"github.com/edgeway-io/edgeway/internal/samples/collect"
	"github.com/edgeway-io/edgeway/internal/samples/prom"
	"github.com/edgeway-io/edgeway/internal/tlsconfig"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

const (
	keep = time.Hour
	// mostPoints bounds the memory of the samples to some 70 MB, whatever the number
	// of nodes: an hour of 1,600 objects, or less of more.
	mostPoints = 400_000
	// mostTrendPoints is an hour of 4,000 nodes, in 24 MB.
	mostTrendPoints = 1_000_000
	publishEvery    = 30 * time.Second
	publishRetry    = 2 * time.Second
	answerTimeout   = 20 * time.Second
	// readTimeout bounds a request with its body, longer than an answer takes.
	readTimeout = 30 * time.Second
	idleTimeout = 2 * time.Minute
)

// ErrBadOption says that a flag's value cannot be used.
var ErrBadOption = errors.New("bad option")

// Options are the flags of the samples API.
type Options struct {
	// Address of this replica, which the apiserver dials; empty: no samples are served.
	Address string
	Port    int
	// Always samples all edge nodes, whether somebody looks or not.
	Always bool
	// PrometheusURL of the source of longer histories; empty for none.
	PrometheusURL string
	// PrometheusSecret is the directory that may hold credentials for it; see package prom.
	PrometheusSecret string
}

// AddFlags binds the options to flags.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Address, "samples-address", "", "this pod's IP address, under which the apiserver reads samples; empty: serve none")
	fs.IntVar(&o.Port, "samples-port", 8443, "port of --samples-address")
	fs.BoolVar(&o.Always, "samples-always", false, "sample all edge nodes all the time, not only those that somebody looks at")
	fs.StringVar(&o.PrometheusURL, "prometheus-url", "", "URL of a Prometheus that scrapes the edge nodes; it gives histories that are longer than an hour")
	fs.StringVar(&o.PrometheusSecret, "prometheus-secret", "", "directory with the credentials for --prometheus-url: file token, or files username and password; none are sent without it")
}

// Enabled says whether samples are served.
func (o *Options) Enabled() bool { return o.Address != "" }

func (o *Options) address() (netip.Addr, error) {
	addr, err := netip.ParseAddr(o.Address)
	if err != nil {
		return addr, fmt.Errorf("%w: --samples-address %q is no IP address; give the pod's, as from status.podIP", ErrBadOption, o.Address)
	}
	if o.Port < 1 || o.Port > 65535 {
		return addr, fmt.Errorf("%w: --samples-port is %d; give a TCP port between 1 and 65535", ErrBadOption, o.Port)
	}
	return addr.Unmap(), nil
}

// SetupWithManager adds sampling and serving to mgr. Both run on the leader only, so
// that each node is asked once, through figures, and there is one history.
func SetupWithManager(mgr ctrl.Manager, store *nodes.Store, figures collect.Source, o Options, log *slog.Logger) error {
	if !o.Enabled() {
		log.Info("no samples are served: --samples-address is empty")
		return nil
	}
	addr, err := o.address()
	if err != nil {
		return err
	}
	kube, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("make client for samples: %w", err)
	}
	usage, err := metrics.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("make client for metrics.k8s.io: %w", err)
	}
	r := &runner{o: o, addr: addr, kube: kube, usage: usage, figures: figures, cluster: NewKube(store, kube), log: log}
	if o.PrometheusURL != "" {
		if r.past, err = prom.New(o.PrometheusURL, o.PrometheusSecret); err != nil {
			return fmt.Errorf("%w: --prometheus-url: %w", ErrBadOption, err)
		}
	}
	return mgr.Add(r)
}

// runner is the leader's work.
type runner struct {
	o       Options
	addr    netip.Addr
	kube    kubernetes.Interface
	usage   metrics.MetricsV1beta1Interface
	figures collect.Source
	cluster *Kube
	past    *prom.Source
	log     *slog.Logger
}

// NeedLeaderElection keeps the other replicas from sampling too.
func (r *runner) NeedLeaderElection() bool { return true }

// Start works until ctx ends. What hinders the samples must not end the routes: it
// is logged and tried again.
func (r *runner) Start(ctx context.Context) error {
	for {
		err := r.run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		r.log.Error("samples are not served", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(publishRetry):
		}
	}
}

func (r *runner) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	who, err := frontProxy(ctx, r.kube)
	if err != nil {
		return err
	}
	publisher, err := newPublisher(r.kube, r.addr, int32(r.o.Port), time.Now)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(r.o.Port)))
	if err != nil {
		return err
	}
	options := collect.Options{Log: r.log}
	if r.o.Always {
		options.Always = r.cluster.EdgeNodes
	}
	store := samples.NewStore(samples.Limits{Keep: keep, Points: mostPoints, Gap: 50 * time.Second})
	trends := samples.NewTrends(keep, mostTrendPoints)
	collector := collect.New(collect.NewKubelets(r.figures), store, options)
	config := Config{
		Store: store, Trends: trends, Collector: collector, Cluster: r.cluster,
		Authenticator: who, Reviews: r.kube.AuthorizationV1().SubjectAccessReviews(), Keep: keep, Log: r.log,
	}
	if r.past != nil {
		config.Past = r.past
	}
	go func() { _ = collector.Run(ctx) }() // ends with ctx and has no other error
	go collect.RunTrends(ctx, r.usage, trends, r.log)
	go r.publish(ctx, publisher)
	return serveTLS(ctx, listener, New(config), publisher, r.log)
}

// publish keeps the cluster's objects in order: helm and people may change them.
func (r *runner) publish(ctx context.Context, p *publisher) {
	for {
		pause := publishEvery
		if err := p.once(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("publish the samples API", "error", err)
			pause = publishRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func serveTLS(ctx context.Context, listener net.Listener, handler http.Handler, p *publisher, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           http.TimeoutHandler(handler, answerTimeout, ""),
		ReadHeaderTimeout: 10 * time.Second,
		// Callers that break a handshake off are no fault of this program.
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		TLSConfig: tlsconfig.Server(),
	}
	srv.TLSConfig.GetCertificate = p.certificate
	// Asked for here, checked against the front proxy's CA by the authenticator.
	srv.TLSConfig.ClientAuth = tls.RequestClientCert
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	err := srv.ServeTLS(listener, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
