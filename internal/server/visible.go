package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	authzv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/clusters"
)

const (
	// useAnswerLife is how soon a user notices that a right was given or taken.
	useAnswerLife = time.Minute
	// useAnswerStale is how long an answer holds while the host cluster gives no new one.
	useAnswerStale = 15 * time.Minute
)

// useAnswer is what the host cluster said about one guarded cluster.
type useAnswer struct {
	allowed bool
	at      time.Time
}

// visible finds a cluster that the user may see. One that he may not see is as
// unknown to him as one that is not there.
func (s *Server) visible(ctx context.Context, sess *session, name string) (clusters.Cluster, error) {
	for _, c := range s.cfg.Clusters.List() {
		if c.Name != name {
			continue
		}
		ok, err := s.maySee(ctx, sess, c)
		if err != nil {
			return clusters.Cluster{}, err
		}
		if ok {
			return c, nil
		}
	}
	return clusters.Cluster{}, fmt.Errorf("cluster %q: %w", name, clusters.ErrUnknown)
}

// maySee asks the host cluster, as the user, whether he may use the cluster.
func (s *Server) maySee(ctx context.Context, sess *session, c clusters.Cluster) (bool, error) {
	if !c.Guarded {
		return true, nil
	}
	now := s.cfg.Now()
	sess.mu.Lock()
	known, asked := sess.mayUse[c.Name]
	sess.mu.Unlock()
	if asked && now.Sub(known.at) < useAnswerLife {
		return known.allowed, nil
	}
	ok, err := s.askMayUse(ctx, sess, c.Name)
	if err != nil {
		// A 401 is an answer, if not one to this question: the token is no longer good.
		if asked && !apierrors.IsUnauthorized(err) && now.Sub(known.at) < useAnswerStale {
			return known.allowed, nil
		}
		return false, fmt.Errorf("ask the host cluster whether %s may use cluster %s: %w", sess.user, c.Name, err)
	}
	sess.mu.Lock()
	defer sess.mu.Unlock()
	sess.mayUse[c.Name] = useAnswer{allowed: ok, at: now}
	return ok, nil
}

func (s *Server) askMayUse(ctx context.Context, sess *session, cluster string) (bool, error) {
	host, err := s.clientsOf(ctx, sess, s.cfg.Clusters.Host().Name)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, overviewLimit)
	defer cancel()
	return allowedTo(ctx, host.kube, authzv1.ResourceAttributes{
		Group: v1alpha1.GroupVersion.Group, Resource: clusters.UseResource, Verb: clusters.UseVerb, Name: cluster,
	})
}

// visibleClusters lists what the user may see, asking for all at once. What the host
// cluster gives no answer for is left out: its own line says that it is down.
func (s *Server) visibleClusters(ctx context.Context, sess *session) []clusters.Cluster {
	all := s.cfg.Clusters.List()
	may, errs := make([]bool, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() { may[i], errs[i] = s.maySee(ctx, sess, c) })
	}
	wg.Wait()
	out := make([]clusters.Cluster, 0, len(all))
	for i, c := range all {
		if errs[i] != nil {
			s.log.DebugContext(ctx, "cluster is left out", "cluster", c.Name, "error", errs[i])
		}
		if may[i] {
			out = append(out, c)
		}
	}
	return out
}
