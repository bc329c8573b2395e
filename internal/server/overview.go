package server

import (
	"context"
	"time"

	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/internal/clusters"
)

const (
	// overviewLimit ends the look at a cluster that does not answer.
	overviewLimit = 4 * time.Second
	// overviewPatience is how long the list of clusters waits for one of them.
	overviewPatience = time.Second
)

// ClusterOverview is one cluster of the overview.
type ClusterOverview struct {
	clusters.Cluster
	Reachable  bool   `json:"reachable"`
	Pending    bool   `json:"pending,omitempty" doc:"The cluster has not answered yet; ask again"`
	Cause      *Error `json:"cause,omitempty" doc:"Why it is not reachable"`
	Version    string `json:"version,omitempty"`
	KubeEdge   string `json:"kubeEdge,omitempty" doc:"State of KubeEdge; absent when unknown"`
	CloudNodes *int   `json:"cloudNodes,omitempty" doc:"Absent when the user may not list nodes"`
	EdgeNodes  *int   `json:"edgeNodes,omitempty"`
	EdgeReady  *int   `json:"edgeReady,omitempty"`
}

// overviewMemory is what a session knows of one cluster. A look at it goes on after
// the request that started it, one at a time.
type overviewMemory struct {
	latest *ClusterOverview
	// done closes when the running look ends; nil when none runs.
	done chan struct{}
}

// listClusters waits for clusters that answered last time and for new ones, and for
// none of them long: one that is down shows what is known of it.
func (s *Server) listClusters(ctx context.Context, _ *struct{}) (*Body[[]ClusterOverview], error) {
	sess := callOf(ctx).sess
	list := s.visibleClusters(ctx, sess)
	var looks []<-chan struct{}
	for _, c := range list {
		if done, wait := s.look(sess, c); wait {
			looks = append(looks, done)
		}
	}
	patience := time.NewTimer(overviewPatience)
	defer patience.Stop()
	waitAll(ctx, looks, patience.C)
	out := make([]ClusterOverview, 0, len(list))
	sess.mu.Lock()
	defer sess.mu.Unlock()
	for _, c := range list {
		one := ClusterOverview{Cluster: c, Pending: true}
		if m := sess.overviews[c.Name]; m != nil && m.latest != nil {
			one = *m.latest
		}
		out = append(out, one)
	}
	return &Body[[]ClusterOverview]{out}, nil
}

func waitAll(ctx context.Context, looks []<-chan struct{}, limit <-chan time.Time) {
	for _, done := range looks {
		select {
		case <-done:
		case <-limit:
			return
		case <-ctx.Done():
			return
		}
	}
}

// look starts a look at the cluster unless one runs. wait is false for a cluster that
// did not answer last time.
func (s *Server) look(sess *session, c clusters.Cluster) (done <-chan struct{}, wait bool) {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	m := sess.overviews[c.Name]
	if m == nil {
		m = &overviewMemory{}
		sess.overviews[c.Name] = m
	}
	if m.done == nil {
		running := make(chan struct{})
		m.done = running
		go func() {
			seen := s.overview(context.WithValue(sess.ctx, callKey{}, &call{sess: sess}), c)
			sess.mu.Lock()
			defer sess.mu.Unlock()
			m.latest, m.done = &seen, nil
			close(running)
		}()
	}
	return m.done, m.latest == nil || m.latest.Reachable
}

func (s *Server) overview(ctx context.Context, info clusters.Cluster) ClusterOverview {
	out := ClusterOverview{Cluster: info}
	ctx, cancel, c, err := s.clusterCall(ctx, info.Name, overviewLimit)
	if err != nil {
		out.Cause = asError(err)
		return out
	}
	defer cancel()
	version, err := serverVersion(ctx, c.kube)
	if err != nil {
		out.Cause = asError(kubeError(err))
		return out
	}
	out.Reachable, out.Version = true, version
	// Not every part of it heeds a context.
	cfg := rest.CopyConfig(c.config)
	cfg.Timeout = overviewLimit
	if state, err := s.cfg.KubeEdge.Status(ctx, cfg); err == nil {
		out.KubeEdge = string(state.State)
	}
	if nodes, err := c.nodeRows(ctx, roleAll); err == nil {
		count(&out, nodes)
	}
	return out
}
