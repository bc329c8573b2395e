package gate

import (
	"errors"
	"fmt"
	"net"

	"github.com/spf13/pflag"
)

// ErrBadOption says that a flag's value cannot be used; the text names flag, value
// and remedy.
var ErrBadOption = errors.New("bad option")

// Options are stream-gate's flags.
type Options struct {
	// Kubeconfig file; the Pod's own ServiceAccount when empty.
	Kubeconfig string
	// The addresses that are listened on, as HOST:PORT; an empty one is not.
	StreamAddress, TunnelAddress, HubAddress, CertificateAddress string
	// Where CloudCore listens, as HOST:PORT.
	CoreStream, CoreTunnel, CoreHub, CoreCertificate string
	// HealthAddress answers probes, as HOST:PORT.
	HealthAddress string
	// CertDir holds the files of Secret cloudcore-stream.
	CertDir string
}

// DefaultOptions are those of a container beside CloudCore.
func DefaultOptions() *Options {
	return &Options{
		StreamAddress: ":10003", TunnelAddress: ":10004", HubAddress: ":10000", CertificateAddress: ":10002",
		CoreStream: "127.0.0.1:10013", CoreTunnel: "127.0.0.1:10014", CoreHub: "127.0.0.1:10010", CoreCertificate: "127.0.0.1:10012",
		HealthAddress: ":10009", CertDir: "/etc/edgeway/stream",
	}
}

// AddFlags binds the options to flags.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "kubeconfig file; the Pod's ServiceAccount when empty")
	for _, e := range o.ends() {
		fs.StringVar(e.own, e.name+"-address", *e.own, "HOST:PORT at which "+e.use+"; empty for none")
		fs.StringVar(e.core, "core-"+e.name, *e.core, "HOST:PORT of CloudCore's "+e.name+" server")
	}
	fs.StringVar(&o.HealthAddress, "health-address", o.HealthAddress, "HOST:PORT of the probes: /livez, /readyz, and /cloudcore for CloudCore's container")
	fs.StringVar(&o.CertDir, "cert-dir", o.CertDir, "directory with the files of Secret cloudcore-stream")
}

// end is one of the gate's ends: a server of the gate's and CloudCore's behind it.
type end struct {
	name, use string
	own, core *string
}

func (o *Options) ends() []end {
	return []end{
		{"stream", "kube-apiserver and scrapers reach edge nodes", &o.StreamAddress, &o.CoreStream},
		{"tunnel", "edge nodes open their tunnels", &o.TunnelAddress, &o.CoreTunnel},
		{"hub", "edge nodes connect to CloudHub", &o.HubAddress, &o.CoreHub},
		{"certificate", "edge nodes get their certificates", &o.CertificateAddress, &o.CoreCertificate},
	}
}

// Validate names every option that cannot be used.
func (o *Options) Validate() error {
	var errs []error
	check := func(flag, value string) {
		if _, port, err := net.SplitHostPort(value); err != nil || port == "" {
			errs = append(errs, fmt.Errorf("%w: --%s is %q; write it like 127.0.0.1:10003", ErrBadOption, flag, value))
		}
	}
	open := 0
	for _, e := range o.ends() {
		if *e.own == "" {
			continue
		}
		open++
		check(e.name+"-address", *e.own)
		check("core-"+e.name, *e.core)
	}
	check("health-address", o.HealthAddress)
	if open == 0 {
		errs = append(errs, fmt.Errorf("%w: every address is empty; give --stream-address, --tunnel-address, --hub-address or --certificate-address", ErrBadOption))
	}
	if o.CertDir == "" {
		errs = append(errs, fmt.Errorf("%w: --cert-dir is empty; name the directory with the files of Secret cloudcore-stream", ErrBadOption))
	}
	return errors.Join(errs...)
}
