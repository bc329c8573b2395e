package serve

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/internal/samples"
)

func typed(kind string) samples.Type {
	return samples.Type{Kind: kind, APIVersion: samples.APIVersion}
}

// failWith answers Kubernetes' own errors as they are.
func failWith(w http.ResponseWriter, err error) {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		st := status.Status()
		fail(w, int(st.Code), st.Reason, st.Message)
		return
	}
	fail(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, err.Error())
}

// waitFirst waits for the first try of nodes that nobody looked at before; whoever has not
// answered by then delays the answer no longer.
func waitFirst(ctx context.Context, tried ...<-chan struct{}) {
	timer := time.NewTimer(firstSample)
	defer timer.Stop()
	for _, done := range tried {
		select {
		case <-done:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) nodes(_ context.Context, q question) (any, error) {
	since := q.since
	if since == 0 {
		since = s.Keep
	}
	out := s.Trends.List(min(since, s.Keep), trendIntervals, q.now)
	out.Type = typed("NodeTrendList")
	return out, nil
}

func (s *Server) node(ctx context.Context, q question) (any, error) {
	if err := s.Cluster.HasNode(ctx, q.name); err != nil {
		return nil, err
	}
	waitFirst(ctx, s.Collector.Touch(q.name))
	out := s.Store.Node(q.name, s.inMemory(q))
	if s.fromPast(q) {
		history, err := s.Past.Node(ctx, q.name, q.since, q.now)
		if err != nil {
			history = noHistory(q, err)
		}
		out.Node.History = history
	}
	out.Type, out.Prometheus = typed("NodeSamples"), s.Past != nil
	return out, nil
}

func (s *Server) pod(ctx context.Context, q question) (any, error) {
	key := samples.PodKey{Namespace: q.namespace, Name: q.name}
	node, known := s.Store.NodeOf(key)
	if !known {
		var err error
		if node, err = s.Cluster.NodeOf(ctx, q.namespace, q.name); err != nil {
			return nil, err
		}
	}
	if node != "" {
		waitFirst(ctx, s.Collector.Touch(node))
	}
	out := s.Store.Pod(key, node, s.inMemory(q))
	if node == "" {
		out.State = samples.State{Cause: samples.CauseNotFound, Message: "the pod runs on no node yet"}
	}
	if s.fromPast(q) {
		s.pastOfPod(ctx, q, &out)
	}
	out.Type, out.Prometheus = typed("PodSamples"), s.Past != nil
	return out, nil
}

// pastOfPod puts Prometheus' history in the place of the memory's.
func (s *Server) pastOfPod(ctx context.Context, q question, out *samples.PodSamples) {
	pod, containers, err := s.Past.Pod(ctx, q.namespace, q.name, q.since, q.now)
	if err != nil {
		pod = noHistory(q, err)
	}
	out.Pod.History = pod
	for i := range out.Containers {
		c := &out.Containers[i]
		if c.History = containers[c.Name]; c.History == nil {
			c.History = noHistory(q, err)
		}
	}
}

func noHistory(q question, err error) *samples.History {
	h := &samples.History{Source: "prometheus", FromMs: q.now.Add(-q.since).UnixMilli(), ToMs: q.now.UnixMilli(), TimesMs: []int64{}, Series: map[string][]*float64{}}
	for _, name := range samples.ChartColumns() {
		h.Series[name] = []*float64{}
	}
	if err != nil {
		h.Message = err.Error()
	}
	return h
}

// fromPast: what is asked for goes further back than the memory does.
func (s *Server) fromPast(q question) bool { return s.Past != nil && q.since > s.Keep }

func (s *Server) inMemory(q question) samples.Query {
	query := q.query()
	if s.fromPast(q) {
		query.Since = 0
	}
	return query
}

func (s *Server) pods(ctx context.Context, q question) (any, error) {
	where, err := s.Cluster.PodNodes(ctx, q.namespace)
	if err != nil {
		return nil, err
	}
	tried := s.touchAll(where)
	channels := make([]<-chan struct{}, 0, len(tried))
	for _, c := range tried {
		channels = append(channels, c)
	}
	waitFirst(ctx, channels...)
	out := samples.PodSamplesList{Type: typed("PodSamplesList"), Items: make([]samples.PodSamples, 0, len(where))}
	for key, node := range where {
		out.Items = append(out.Items, s.listed(key, node, tried, q))
	}
	slices.SortFunc(out.Items, func(a, b samples.PodSamples) int {
		return compareKeys(a.Metadata, b.Metadata)
	})
	return out, nil
}

// touchAll starts the sampling of the pods' nodes, up to a limit.
func (s *Server) touchAll(where map[samples.PodKey]string) map[string]<-chan struct{} {
	tried := map[string]<-chan struct{}{}
	names := make([]string, 0, len(where))
	for _, node := range where {
		names = append(names, node)
	}
	slices.Sort(names)
	for _, node := range slices.Compact(names) {
		if node != "" && len(tried) < mostAtOnce {
			tried[node] = s.Collector.Touch(node)
		}
	}
	return tried
}

func (s *Server) listed(key samples.PodKey, node string, tried map[string]<-chan struct{}, q question) samples.PodSamples {
	p := s.Store.Pod(key, node, samples.Query{Now: q.now})
	switch _, sampled := tried[node]; {
	case node == "":
		p.State = samples.State{Cause: samples.CauseNotFound, Message: "the pod runs on no node yet"}
	case !sampled:
		p.State = samples.State{Cause: samples.CauseTooMany, Message: "the pods are on more nodes than are sampled for one question; choose a namespace"}
	}
	newest(&p.Pod)
	for i := range p.Containers {
		newest(&p.Containers[i])
	}
	return p
}

// newest leaves only an object's newest sample: lists are long.
func newest(o *samples.Object) {
	if n := len(o.Recent); n > 1 {
		o.Recent = o.Recent[n-1:]
	}
}

func compareKeys(a, b samples.Meta) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
