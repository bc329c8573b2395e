package watcher

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/pflag"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
)

// ErrBadOption says that a flag's value cannot be used; the text names flag, value
// and remedy.
var ErrBadOption = errors.New("bad option")

// Options are edge-watcher's flags.
type Options struct {
	// Kubeconfig file; the Pod's own ServiceAccount when empty.
	Kubeconfig string
	// LogPort and MetricsPort of edge nodes, as the apiserver and scrapers dial them.
	LogPort, MetricsPort int32
	// StreamPort of CloudStream at CloudCore's own address.
	StreamPort int32
	// DestinationAddress and DestinationPort, when given, take all log and metrics
	// requests; both empty: requests go to the CloudCore that holds the tunnel.
	DestinationAddress string
	DestinationPort    int32
	// ServiceCIDRs of the cluster, in CIDR notation, beside those that the cluster tells.
	ServiceCIDRs []string
	// Networks are the cluster's Service networks; Run sets it.
	Networks *Networks
	// CloudCoreService is the Service whose endpoints are the CloudCores.
	CloudCoreService string
	// StreamGuard lets the operators guard CloudCore's ports behind the gate.
	StreamGuard bool
	// MetricsBindAddress and HealthProbeBindAddress as "host:port"; "0" switches off.
	MetricsBindAddress     string
	HealthProbeBindAddress string
	// LeaderElect must be on when there is more than one replica.
	LeaderElect bool
}

// DefaultOptions are the proposal's defaults.
func DefaultOptions() *Options {
	return &Options{
		LogPort:                v1alpha1.LogPort,
		MetricsPort:            v1alpha1.MetricsPort,
		StreamPort:             v1alpha1.StreamPort,
		CloudCoreService:       "cloudcore",
		StreamGuard:            true,
		MetricsBindAddress:     ":8080",
		HealthProbeBindAddress: ":8081",
	}
}

// AddFlags binds the options to flags.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "kubeconfig file; the Pod's ServiceAccount when empty")
	fs.Int32Var(&o.LogPort, "log-port", o.LogPort, "port of log and exec requests to edge nodes")
	fs.Int32Var(&o.MetricsPort, "metrics-port", o.MetricsPort, "port of metrics requests to edge nodes")
	fs.Int32Var(&o.StreamPort, "stream-port", o.StreamPort, "CloudStream's port at CloudCore's own address")
	fs.StringVar(&o.DestinationAddress, "destination-address", o.DestinationAddress,
		"IP address that takes all log and metrics requests; CloudCore's own endpoints when empty")
	fs.Int32Var(&o.DestinationPort, "destination-port", o.DestinationPort, "port of --destination-address")
	fs.StringArrayVar(&o.ServiceCIDRs, "service-cidr", o.ServiceCIDRs, "a service CIDR of the cluster that it does not tell itself (repeatable)")
	fs.StringVar(&o.CloudCoreService, "cloudcore-service", o.CloudCoreService,
		"Service in namespace kubeedge whose endpoints are the CloudCores")
	fs.StringVar(&o.MetricsBindAddress, "metrics-bind-address", o.MetricsBindAddress, "where Prometheus metrics are served; 0 for nowhere")
	fs.StringVar(&o.HealthProbeBindAddress, "health-probe-bind-address", o.HealthProbeBindAddress, "where /healthz and /readyz are served; 0 for nowhere")
	fs.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect, "work only while holding the lease; needed with several replicas")
	fs.BoolVar(&o.StreamGuard, "stream-guard", o.StreamGuard, "let the operators guard CloudCore's ports behind the gate")
}

// Validate names every option that cannot be used.
func (o *Options) Validate() error {
	_, err := o.settings()
	_, cidrErr := o.ServicePrefixes()
	if o.CloudCoreService == "" {
		err = errors.Join(err, fmt.Errorf("%w: --cloudcore-service is empty; name CloudCore's Service", ErrBadOption))
	}
	return errors.Join(err, cidrErr)
}

// settings are the options as routing takes them.
func (o *Options) settings() (routes.Settings, error) {
	s := routes.Settings{LogPort: o.LogPort, MetricsPort: o.MetricsPort, StreamPort: o.StreamPort}
	var errs []error
	for _, p := range []struct {
		flag string
		port int32
	}{{"log-port", o.LogPort}, {"metrics-port", o.MetricsPort}, {"stream-port", o.StreamPort}} {
		errs = append(errs, checkPort(p.flag, p.port))
	}
	if o.DestinationAddress == "" && o.DestinationPort == 0 {
		return s, errors.Join(errs...)
	}
	addr, err := netip.ParseAddr(o.DestinationAddress)
	if err != nil || addr.Zone() != "" {
		errs = append(errs, fmt.Errorf("%w: --destination-address %q is no IP address; give one, or leave it and --destination-port out to use CloudCore's endpoints",
			ErrBadOption, o.DestinationAddress))
	}
	errs = append(errs, checkPort("destination-port", o.DestinationPort))
	if err := errors.Join(errs...); err != nil {
		return routes.Settings{}, err
	}
	s.Destination = netip.AddrPortFrom(addr.Unmap(), uint16(o.DestinationPort))
	return s, nil
}

func checkPort(flag string, port int32) error {
	if port < 1 || port > 65535 {
		return fmt.Errorf("%w: --%s is %d; give a TCP port between 1 and 65535", ErrBadOption, flag, port)
	}
	return nil
}

// ServicePrefixes are the parsed ServiceCIDRs.
func (o *Options) ServicePrefixes() ([]netip.Prefix, error) {
	var out []netip.Prefix
	var errs []error
	for _, text := range o.ServiceCIDRs {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: --service-cidr %q is no CIDR; write it like 10.96.0.0/12", ErrBadOption, text))
			continue
		}
		out = append(out, prefix.Masked())
	}
	return out, errors.Join(errs...)
}
