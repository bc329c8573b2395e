package gate

import (
	"errors"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	if err := DefaultOptions().Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	for flag, change := range map[string]func(*Options){
		"stream-address": func(o *Options) { o.StreamAddress = "10003" },
		"tunnel-address": func(o *Options) { o.TunnelAddress = "localhost" },
		"hub-address": func(o *Options) {
			o.StreamAddress, o.TunnelAddress, o.HubAddress, o.CertificateAddress = "", "", "", ""
		},
		"health-address": func(o *Options) { o.HealthAddress = "" },
		"core-hub":       func(o *Options) { o.CoreHub = "" },
		"core-stream":    func(o *Options) { o.CoreStream = "127.0.0.1:" },
		"core-tunnel":    func(o *Options) { o.CoreTunnel = "::1" },
		"cert-dir":       func(o *Options) { o.CertDir = "" },
	} {
		o := DefaultOptions()
		change(o)
		if err := o.Validate(); !errors.Is(err, ErrBadOption) || !strings.Contains(err.Error(), "--"+flag) {
			t.Errorf("%s: %v, want ErrBadOption that names the flag", flag, err)
		}
	}
	o := DefaultOptions()
	o.CertDir = t.TempDir()
	if _, err := newGate(o, nil); err == nil || !strings.Contains(err.Error(), "cloudcore-stream") {
		t.Errorf("without certificates: %v, want the Secret's name", err)
	}
}
