package server

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/edgeway-io/edgeway/internal/observe"
	"github.com/edgeway-io/edgeway/internal/samples"
)

// samplesLimit is longer than edge-watcher waits for a node that nobody looked at
// before; Prometheus may take as long again.
const samplesLimit = 20 * time.Second

// SinceQuery is the length of a history.
type SinceQuery struct {
	SinceSeconds int `query:"sinceSeconds" minimum:"0" maximum:"2678400" doc:"Length of the history; 0 for none"`
}

func (s SinceQuery) since() time.Duration { return time.Duration(s.SinceSeconds) * time.Second }

type nodeSamplesInput struct {
	NodePath
	SinceQuery
}

type podSamplesInput struct {
	PodPath
	SinceQuery
}

type trendsInput struct {
	ClusterPath
	SinceQuery
}

// SelectQuery chooses by label.
type SelectQuery struct {
	ClusterPath
	Selector string `query:"selector" maxLength:"1024" doc:"Label selector"`
}

type selectPodsInput struct {
	SelectQuery
	Namespace string `query:"namespace" maxLength:"63" doc:"Empty for all namespaces"`
}

type namespaceInput struct {
	ClusterPath
	Namespace string `query:"namespace" maxLength:"63" doc:"Empty for all namespaces"`
}

// NodeUsage is a node's live usage.
type NodeUsage struct {
	Name  string        `json:"name"`
	Usage observe.Usage `json:"usage"`
}

func (s *Server) metricsRoutes() {
	const root = pathCluster + "/metrics"
	huma.Register(s.api, op(http.MethodGet, root+"/nodes", "listNodeMetrics", "Live usage of nodes, by label selector"), s.listNodeMetrics)
	huma.Register(s.api, op(http.MethodGet, root+"/pods", "listPodMetrics", "Live usage of pods and their containers, by label selector"), s.listPodMetrics)
	huma.Register(s.api, op(http.MethodGet, root+"/trends", "listNodeTrends", "The nodes' recent past in few points"), s.nodeTrends)
	huma.Register(s.api, op(http.MethodGet, root+"/containers", "listContainerSamples", "Newest samples of pods and their containers"), s.containerSamples)
	huma.Register(s.api, op(http.MethodGet, pathNode+"/samples", "getNodeSamples", "Recent samples and history of a node"), s.nodeSamples)
	huma.Register(s.api, op(http.MethodGet, pathPod+"/samples", "getPodSamples", "Recent samples and history of a pod and its containers"), s.podSamples)
}

func checkSelector(text string) error {
	if _, err := labels.Parse(text); err != nil {
		return invalid("selector", err.Error(), "write it as kubectl takes it, like app=web,tier!=db")
	}
	return nil
}

func (s *Server) listNodeMetrics(ctx context.Context, in *SelectQuery) (*Body[[]NodeUsage], error) {
	if err := checkSelector(in.Selector); err != nil {
		return nil, err
	}
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	usages, none := observe.NodeUsages(ctx, c.metrics, in.Selector)
	if none != nil {
		return nil, usageFailure(*none)
	}
	out := make([]NodeUsage, 0, len(usages))
	for _, name := range slices.Sorted(maps.Keys(usages)) {
		out = append(out, NodeUsage{Name: name, Usage: usages[name]})
	}
	return &Body[[]NodeUsage]{out}, nil
}

func (s *Server) listPodMetrics(ctx context.Context, in *selectPodsInput) (*Body[[]observe.PodUsage], error) {
	if err := checkSelector(in.Selector); err != nil {
		return nil, err
	}
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	usages, none := observe.PodUsages(ctx, c.metrics, in.Namespace, in.Selector)
	if none != nil {
		return nil, usageFailure(*none)
	}
	return &Body[[]observe.PodUsage]{usages}, nil
}

// usageFailure is for answers that are nothing but figures.
func usageFailure(u observe.Usage) *Error {
	switch u.Cause {
	case observe.CauseForbidden:
		return fail(http.StatusForbidden, "Forbidden", u.Message, "ask a cluster administrator for this right")
	case observe.CauseNoMetricsAPI:
		return fail(http.StatusBadGateway, u.Cause, u.Message, "install metrics-server, or wait until it is ready")
	case observe.CauseTimeout:
		return fail(http.StatusGatewayTimeout, "ClusterTimeout", u.Message, "check that the cluster's API server is up and reachable from the console")
	}
	return fail(http.StatusBadGateway, u.Cause, u.Message, "")
}

// samplesOf gives the user's own view of the samples.
func (s *Server) samplesOf(ctx context.Context, cluster string) (context.Context, context.CancelFunc, observe.Samples, error) {
	ctx, cancel, c, err := s.clusterCall(ctx, cluster, samplesLimit)
	if err != nil {
		return nil, nil, observe.Samples{}, err
	}
	return ctx, cancel, observe.NewSamples(c.kube.CoreV1().RESTClient()), nil
}

func (s *Server) nodeTrends(ctx context.Context, in *trendsInput) (*Body[samples.NodeTrendList], error) {
	ctx, cancel, read, err := s.samplesOf(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	defer cancel()
	out, err := read.Trends(ctx, in.since())
	return &Body[samples.NodeTrendList]{out}, kubeError(err)
}

func (s *Server) containerSamples(ctx context.Context, in *namespaceInput) (*Body[samples.PodSamplesList], error) {
	ctx, cancel, read, err := s.samplesOf(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	defer cancel()
	out, err := read.Pods(ctx, in.Namespace)
	return &Body[samples.PodSamplesList]{out}, kubeError(err)
}

func (s *Server) nodeSamples(ctx context.Context, in *nodeSamplesInput) (*Body[samples.NodeSamples], error) {
	ctx, cancel, read, err := s.samplesOf(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	defer cancel()
	out, err := read.Node(ctx, in.Node, in.since())
	return &Body[samples.NodeSamples]{out}, kubeError(err)
}

func (s *Server) podSamples(ctx context.Context, in *podSamplesInput) (*Body[samples.PodSamples], error) {
	ctx, cancel, read, err := s.samplesOf(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	defer cancel()
	out, err := read.Pod(ctx, in.Namespace, in.Pod, in.since())
	return &Body[samples.PodSamples]{out}, kubeError(err)
}
