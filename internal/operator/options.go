package operator

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Values of Options.Backend.
const (
	BackendAuto     = "auto"
	BackendNFTables = "nftables"
	BackendIPTables = "iptables"
)

// ErrOptions is wrapped by errors about options.
var ErrOptions = errors.New("invalid option")

// Options of iptables-operator.
type Options struct {
	// Kubeconfig is a file; in-cluster configuration when empty.
	Kubeconfig string
	// NodeName is the cloud node's name.
	NodeName string
	// Backend is BackendAuto, BackendNFTables or BackendIPTables.
	Backend string
	// MetricsAddress and HealthAddress are HOST:PORT to listen on; "0" listens nowhere.
	MetricsAddress, HealthAddress string
	// Cleanup removes everything of ours from the kernel and ends.
	Cleanup bool
	// RemoveForeign removes old rules of other tools and ends.
	RemoveForeign bool
	// Verbose logs debug messages.
	Verbose bool
}

// Validate names the first option that cannot be used.
func (o Options) Validate() error {
	if known := []string{BackendAuto, BackendNFTables, BackendIPTables}; !slices.Contains(known, o.Backend) {
		return fmt.Errorf("%w: --backend is %q; use one of %s", ErrOptions, o.Backend, strings.Join(known, ", "))
	}
	if o.Cleanup && o.RemoveForeign {
		return fmt.Errorf("%w: --cleanup and --remove-foreign are given; use one at a time", ErrOptions)
	}
	if o.Cleanup || o.RemoveForeign {
		return nil
	}
	if o.NodeName == "" {
		return fmt.Errorf("%w: --node-name is empty; give this node's name, or set NODE_NAME", ErrOptions)
	}
	if problems := validation.IsDNS1123Subdomain(o.NodeName); len(problems) > 0 {
		return fmt.Errorf("%w: --node-name is %q; use the Node's name: %s", ErrOptions, o.NodeName, strings.Join(problems, ", "))
	}
	return nil
}
