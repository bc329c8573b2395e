package server

import (
	"context"
	"fmt"
	"net/http"

	kruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/limit"
)

// Clusters says which clusters there are and how a user reaches one.
type Clusters interface {
	List() []clusters.Cluster
	Host() clusters.Cluster
	ForUser(name string, user clusters.User) (*rest.Config, error)
}

// clusterClients reach one cluster as one user.
type clusterClients struct {
	cluster  string
	decoding *limit.Slots
	config   *rest.Config
	kube     kubernetes.Interface
	// logs is kube over connections of its own, see logclient.go.
	logs    kubernetes.Interface
	metrics metrics.MetricsV1beta1Interface
	objects client.WithWatch
	lists   lists
	// revision of the stored credentials that they were made with.
	revision string
}

// clientsOf gives the session's clients for a cluster that the user may see, made
// at first use and anew when the cluster's stored credentials have changed.
func (s *Server) clientsOf(ctx context.Context, sess *session, cluster string) (*clusterClients, error) {
	known, err := s.visible(ctx, sess, cluster)
	if err != nil {
		return nil, err
	}
	sess.mu.Lock()
	defer sess.mu.Unlock()
	if c, ok := sess.clients[cluster]; ok && c.revision == known.Revision {
		return c, nil
	}
	cfg, err := s.cfg.Clusters.ForUser(cluster, s.userOf(sess))
	if err != nil {
		return nil, err
	}
	if cluster == s.cfg.Clusters.Host().Name {
		cfg.Wrap(s.doubting(sess))
	} else {
		cfg.Wrap(storedCredentials(cluster))
	}
	c, err := newClients(cfg)
	if err != nil {
		return nil, fmt.Errorf("clients for cluster %s: %w", cluster, err)
	}
	c.revision = known.Revision
	c.cluster, c.decoding = cluster, s.capacity.decoding
	c.lists = newLists(sess.ctx, c.kube, s.capacity.rows)
	sess.clients[cluster] = c
	return c, nil
}

// userOf is called with sess.mu held.
func (s *Server) userOf(sess *session) clusters.User {
	u := clusters.User{Name: sess.user, Groups: sess.groups, Token: sess.token}
	if sess.login != nil {
		u.Tokens, u.Impersonate = sess.login, s.cfg.OIDC.Impersonate
	}
	return u
}

// unlimited: the API server has priority and fairness; a second limit here only adds
// waiting.
func unlimited(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1
	return cfg
}

func newClients(cfg *rest.Config) (*clusterClients, error) {
	cfg = unlimited(cfg)
	httpClient, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, err
	}
	// Lists of thousands of objects take both sides less time than as JSON.
	binary := rest.CopyConfig(cfg)
	binary.ContentType = kruntime.ContentTypeProtobuf
	kube, err := kubernetes.NewForConfigAndClient(binary, httpClient)
	if err != nil {
		return nil, err
	}
	m, err := metrics.NewForConfigAndClient(binary, httpClient)
	if err != nil {
		return nil, err
	}
	objects, err := newObjectClient(cfg, httpClient)
	if err != nil {
		return nil, err
	}
	logs, err := newLogClient(cfg)
	if err != nil {
		return nil, err
	}
	return &clusterClients{config: cfg, kube: kube, logs: logs, metrics: m, objects: objects}, nil
}

// newObjectClient reaches our own API types and the usual ones.
func newObjectClient(cfg *rest.Config, httpClient *http.Client) (client.WithWatch, error) {
	scheme := kruntime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	return client.NewWithWatch(cfg, client.Options{Scheme: scheme, HTTPClient: httpClient})
}

// NewObjectClient makes a client for our API types and the usual ones.
func NewObjectClient(cfg *rest.Config) (client.WithWatch, error) {
	cfg = unlimited(cfg)
	httpClient, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, err
	}
	return newObjectClient(cfg, httpClient)
}
