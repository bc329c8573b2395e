package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/internal/observe"
)

// PodRow is a pod with its live usage.
type PodRow struct {
	observe.Pod
	Usage observe.Usage `json:"usage"`
}

type listPodsInput struct {
	ClusterPath
	Namespace string `query:"namespace" maxLength:"63" doc:"Empty for all namespaces"`
	Node      string `query:"node" maxLength:"253" doc:"Only pods of this node"`
}

type yamlOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *Server) podRoutes() {
	huma.Register(s.api, op(http.MethodGet, pathCluster+"/pods", "listPods", "Pods with state and live usage"), s.listPods)
	huma.Register(s.api, op(http.MethodGet, pathPod, "getPod", "One pod"), s.getPod)
	huma.Register(s.api, op(http.MethodGet, pathPod+"/events", "listPodEvents", "Events of a pod, newest first"), s.podEvents)
	huma.Register(s.api, op(http.MethodGet, pathPod+"/metrics", "getPodMetrics", "Live usage of a pod and its containers"), s.podMetrics)
	yamlOp := op(http.MethodGet, pathPod+"/yaml", "getPodYAML", "A pod as YAML")
	yamlOp.Responses = map[string]*huma.Response{"200": {Description: "YAML", Content: map[string]*huma.MediaType{
		"application/yaml": {Schema: &huma.Schema{Type: huma.TypeString}},
	}}}
	huma.Register(s.api, yamlOp, s.podYAML)
	huma.Register(s.api, op(http.MethodDelete, pathPod, "deletePod", "Delete a pod"), s.deletePod)
}

func (s *Server) listPods(ctx context.Context, in *listPodsInput) (*Body[[]PodRow], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	opts := metav1.ListOptions{}
	if in.Node != "" {
		opts.FieldSelector = podsOfNode(in.Node)
	}
	pods, err := decode(ctx, c, func() ([]observe.Pod, error) {
		list, err := c.kube.CoreV1().Pods(in.Namespace).List(ctx, opts)
		if err != nil {
			return nil, err
		}
		out := make([]observe.Pod, 0, len(list.Items))
		for i := range list.Items {
			out = append(out, observe.PodOf(&list.Items[i]))
		}
		return out, nil
	})
	if err != nil {
		return nil, kubeError(err)
	}
	usages, none := observe.PodUsages(ctx, c.metrics, in.Namespace, "")
	byName := make(map[string]observe.Usage, len(usages))
	for _, u := range usages {
		byName[u.Namespace+"/"+u.Name] = u.Usage
	}
	out := make([]PodRow, 0, len(pods))
	for _, pod := range pods {
		row := PodRow{Pod: pod}
		u, ok := byName[row.Namespace+"/"+row.Name]
		switch {
		case none != nil:
			u = *none
		case !ok:
			u = observe.Unavailable(observe.CauseNoSample, "metrics-server has no current sample of this pod")
		}
		row.Usage = u
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b PodRow) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return &Body[[]PodRow]{out}, nil
}

func (s *Server) getPod(ctx context.Context, in *PodPath) (*Body[observe.PodDetail], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	pod, err := c.kube.CoreV1().Pods(in.Namespace).Get(ctx, in.Pod, metav1.GetOptions{})
	if err != nil {
		return nil, kubeError(err)
	}
	detail := observe.PodDetailOf(pod)
	detail.Workload = observe.WorkloadOf(ctx, c.kube, pod)
	return &Body[observe.PodDetail]{detail}, nil
}

func (s *Server) podEvents(ctx context.Context, in *PodPath) (*Body[[]observe.Event], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	events, err := observe.Events(ctx, c.kube, in.Namespace, "Pod", in.Pod)
	if err != nil {
		return nil, kubeError(err)
	}
	return &Body[[]observe.Event]{events}, nil
}

func (s *Server) podMetrics(ctx context.Context, in *PodPath) (*Body[observe.PodUsage], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	return &Body[observe.PodUsage]{observe.OnePodUsage(ctx, c.metrics, in.Namespace, in.Pod)}, nil
}

func (s *Server) podYAML(ctx context.Context, in *PodPath) (*yamlOutput, error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	pod, err := c.kube.CoreV1().Pods(in.Namespace).Get(ctx, in.Pod, metav1.GetOptions{})
	if err != nil {
		return nil, kubeError(err)
	}
	pod.APIVersion, pod.Kind = "v1", "Pod"
	pod.ManagedFields = nil // bookkeeping that hides the rest
	text, err := yaml.Marshal(pod)
	if err != nil {
		return nil, fmt.Errorf("encode pod: %w", err)
	}
	return &yamlOutput{ContentType: "application/yaml; charset=utf-8", Body: text}, nil
}

func (s *Server) deletePod(ctx context.Context, in *PodPath) (*struct{}, error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := c.kube.CoreV1().Pods(in.Namespace).Delete(ctx, in.Pod, metav1.DeleteOptions{}); err != nil {
		return nil, kubeError(err)
	}
	return nil, nil
}
