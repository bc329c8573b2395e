package watcher

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		args  string
		names string // what the error must name; "" for no error
	}{
		{"", ""},
		{"--destination-address=203.0.113.9 --destination-port=31003", ""},
		{"--service-cidr=10.96.0.0/12 --service-cidr=fd00::/108", ""},
		{"--log-port=0", "--log-port is 0"},
		{"--metrics-port=65536", "--metrics-port is 65536"},
		{"--stream-port=-1", "--stream-port is -1"},
		{"--destination-address=203.0.113.9", "--destination-port is 0"},
		{"--destination-port=31003", `--destination-address ""`},
		{"--destination-address=node-1 --destination-port=31003", `--destination-address "node-1"`},
		{"--destination-address=fe80::1%eth0 --destination-port=31003", "fe80::1%eth0"},
		{"--service-cidr=10.96.0.0", `--service-cidr "10.96.0.0"`},
		{"--service-cidr=10.96.0.0/40", `--service-cidr "10.96.0.0/40"`},
		{"--cloudcore-service=", "--cloudcore-service is empty"},
	} {
		t.Run(test.args, func(t *testing.T) {
			o := DefaultOptions()
			fs := pflag.NewFlagSet("", pflag.ContinueOnError)
			o.AddFlags(fs)
			if err := fs.Parse(strings.Fields(test.args)); err != nil {
				t.Fatal(err)
			}
			err := o.Validate()
			if test.names == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if !errors.Is(err, ErrBadOption) || !strings.Contains(err.Error(), test.names) {
				t.Errorf("error is %v, want ErrBadOption naming %s", err, test.names)
			}
		})
	}
}
