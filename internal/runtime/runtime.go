package runtime

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/kube"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// Where everything is installed.
const (
	Namespace   = v1alpha1.KubeEdgeNamespace
	ReleaseName = "kubeedge"
)

// Names of what the chart installs.
const (
	deploymentCloudCore = "cloudcore"
	deploymentWatcher   = "edge-watcher"
	daemonSetOperator   = "iptables-operator"
	serviceCloudCore    = "cloudcore"
	configMapSettings   = "edgeway-settings"
)

// Timeouts say how long a Runtime waits.
type Timeouts struct {
	// Ready is for pods to run, Address for a load balancer's address, Gone for
	// things to disappear. Poll is the time between two looks.
	Ready, Address, Gone, Poll time.Duration
}

// DefaultTimeouts suit a cluster that has to pull its images.
func DefaultTimeouts() Timeouts {
	return Timeouts{Ready: 5 * time.Minute, Address: 3 * time.Minute, Gone: time.Minute, Poll: 500 * time.Millisecond}
}

// Runtime manages KubeEdge on one cluster as one user. It is cheap to make and
// holds no state of its own.
type Runtime struct {
	config   *rest.Config
	kube     kubernetes.Interface
	dynamic  dynamic.Interface
	chart    *chartv2.Chart
	log      *slog.Logger
	timeouts Timeouts
	now      func() time.Time
}

// fieldManager makes Helm write as plain helm does. Were it the name of our
// binary, the apiserver would report a conflict whenever helm and edgeway take turns.
var fieldManager = sync.OnceFunc(func() { kube.ManagedFieldsManager = "helm" })

// New acts on the cluster of config with config's rights.
func New(config *rest.Config, log *slog.Logger) (*Runtime, error) {
	fieldManager()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	chart, err := loadChart()
	if err != nil {
		return nil, err
	}
	return &Runtime{
		config: config, kube: client, dynamic: dyn, chart: chart, log: log,
		timeouts: DefaultTimeouts(), now: time.Now,
	}, nil
}

// WithTimeouts returns a Runtime that waits as long as t says.
func (r *Runtime) WithTimeouts(t Timeouts) *Runtime {
	out := *r
	out.timeouts = t
	return &out
}
