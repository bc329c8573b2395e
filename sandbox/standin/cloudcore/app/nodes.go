package app

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/authorize"
	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/cloudhub"
	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/config"
	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/downstream"
	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/synced"
	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/upstream"
	"github.com/edgeway-io/edgeway/sandbox/standin/hubwire"
)

// edgeNodes are CloudHub and what feeds it.
type edgeNodes struct {
	hub  *cloudhub.Hub
	up   *upstream.Upstream
	down *downstream.Downstream
}

// edgeNodes puts CloudHub together and starts to watch the cluster.
func (c *core) edgeNodes(ctx context.Context, group *errgroup.Group) (edgeNodes, error) {
	conf := c.conf.Modules.CloudHub
	syncs, err := dynamic.NewForConfig(c.api)
	if err != nil {
		return edgeNodes{}, fmt.Errorf("kubeAPIConfig: %w", err)
	}
	var record *synced.Store
	if err := retry(ctx, "read what was acknowledged", func() (err error) { record, err = synced.Load(ctx, syncs); return err }); err != nil {
		return edgeNodes{}, err
	}
	all := edgeNodes{up: upstream.New(c.api, c.client, c.address, conf.Authorizes())}
	hubConf := cloudhub.Config{
		NodeLimit: int(conf.NodeLimit), Keepalive: conf.Keepalive(),
		Upstream:     all.up,
		Acknowledged: func(node string, m hubwire.Message) { all.down.Acknowledged(node, m) },
	}
	if conf.Authorizes() {
		if hubConf.Authorizer, err = authorize.New(ctx, c.client); err != nil {
			return edgeNodes{}, fmt.Errorf("modules.cloudHub.authorization: %w", err)
		}
	}
	all.hub = cloudhub.New(hubConf)
	all.down = downstream.New(all.hub, record)
	group.Go(func() error { return all.down.Run(ctx, c.client) })
	return all, nil
}

// upgrades serves WebSockets and all else on one port.
func upgrades(sockets, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			sockets.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// publishConfig writes the configuration into the ConfigMap cloudcore, if there is one,
// over whatever is in it, as the real one does.
func publishConfig(ctx context.Context, maps typed.ConfigMapInterface, conf config.Config) error {
	const name, key = "cloudcore", "cloudcore.yaml"
	current, err := maps.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read ConfigMap %s: %w", name, err)
	}
	text, err := yaml.Marshal(conf)
	if err != nil {
		return fmt.Errorf("encode the configuration: %w", err)
	}
	if current.Data == nil {
		current.Data = map[string]string{}
	}
	current.Data[key] = string(text)
	if _, err := maps.Update(ctx, current, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("write ConfigMap %s: %w", name, err)
	}
	return nil
}
