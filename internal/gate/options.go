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
	// StreamAddress and TunnelAddress are listened on, as HOST:PORT.
	StreamAddress, TunnelAddress string
	// CoreStream and CoreTunnel are where CloudCore listens, as HOST:PORT.
	CoreStream, CoreTunnel string
	// CertDir holds the files of Secret cloudcore-stream.
	CertDir string
}

// DefaultOptions are those of a container beside CloudCore.
func DefaultOptions() *Options {
	return &Options{
		StreamAddress: ":10003", TunnelAddress: ":10004",
		CoreStream: "127.0.0.1:10013", CoreTunnel: "127.0.0.1:10014",
		CertDir: "/etc/edgeway/stream",
	}
}

// AddFlags binds the options to flags.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "kubeconfig file; the Pod's ServiceAccount when empty")
	fs.StringVar(&o.StreamAddress, "stream-address", o.StreamAddress, "HOST:PORT at which kube-apiserver and scrapers reach edge nodes")
	fs.StringVar(&o.TunnelAddress, "tunnel-address", o.TunnelAddress, "HOST:PORT at which edge nodes open their tunnels")
	fs.StringVar(&o.CoreStream, "core-stream", o.CoreStream, "HOST:PORT of CloudCore's stream server")
	fs.StringVar(&o.CoreTunnel, "core-tunnel", o.CoreTunnel, "HOST:PORT of CloudCore's tunnel server")
	fs.StringVar(&o.CertDir, "cert-dir", o.CertDir, "directory with the files of Secret cloudcore-stream")
}

// Validate names every option that cannot be used.
func (o *Options) Validate() error {
	var errs []error
	for _, a := range []struct{ flag, value string }{
		{"stream-address", o.StreamAddress}, {"tunnel-address", o.TunnelAddress},
		{"core-stream", o.CoreStream}, {"core-tunnel", o.CoreTunnel},
	} {
		if _, port, err := net.SplitHostPort(a.value); err != nil || port == "" {
			errs = append(errs, fmt.Errorf("%w: --%s is %q; write it like 127.0.0.1:10003", ErrBadOption, a.flag, a.value))
		}
	}
	if o.CertDir == "" {
		errs = append(errs, fmt.Errorf("%w: --cert-dir is empty; name the directory with the files of Secret cloudcore-stream", ErrBadOption))
	}
	return errors.Join(errs...)
}
