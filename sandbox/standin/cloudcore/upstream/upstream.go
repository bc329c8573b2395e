// Package upstream carries out in the API server what edge nodes ask CloudHub for. With
// authorization it does so in the node's name wherever the real one does.
package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/sandbox/standin/hubwire"
)

// source is what CloudCore's answers say they come from.
const source = "edgecontroller"

// Upstream asks a cluster's API.
type Upstream struct {
	conf        *rest.Config
	own         kubernetes.Interface
	impersonate bool
	// address of this CloudCore.
	address string
}

// New makes an Upstream. impersonate is whether to write in the nodes' names.
func New(conf *rest.Config, own kubernetes.Interface, address string, impersonate bool) *Upstream {
	return &Upstream{conf: conf, own: own, impersonate: impersonate, address: address}
}

// request is one message's.
type request struct {
	client               kubernetes.Interface // in the node's name, if so configured
	namespace, name      string
	operation, node, typ string
	content              []byte
}

// handler gives an object, or an error of the API server's.
type handler func(context.Context, *Upstream, request) (any, error)

// handlers by type and operation; anything else is not answered.
var handlers = map[[2]string]handler{
	{"node", hubwire.Query}:                object(getNode),
	{"node", hubwire.Insert}:               response(createNode),
	{"nodepatch", hubwire.Patch}:           response(patchNode),
	{"podpatch", hubwire.Patch}:            response(patchPod),
	{"pod", hubwire.Delete}:                deletePod,
	{"lease", hubwire.Insert}:              response(createLease),
	{"lease", hubwire.Update}:              response(updateLease),
	{"lease", hubwire.Query}:               response(getLease),
	{"configmap", hubwire.Query}:           object(getConfigMap),
	{"secret", hubwire.Query}:              object(getSecret),
	{"serviceaccounttoken", hubwire.Query}: object(createToken),
	{"event", hubwire.Insert}:              createEvent,
}

// errSilent ends a request without an answer.
var errSilent = errors.New("no answer")

// Handle implements cloudhub.Upstream.
func (u *Upstream) Handle(ctx context.Context, node string, m hubwire.Message) (hubwire.Message, bool) {
	namespace, kind, name := m.Target()
	handle, ok := handlers[[2]string{kind, m.Route.Operation}]
	if !ok {
		slog.Error("no such operation", "node", node, "operation", m.Route.Operation, "resource", m.Route.Resource)
		return hubwire.Message{}, false
	}
	client, err := u.as(node)
	if err != nil {
		slog.Error("cannot act as an edge node", "node", node, "err", err)
		return hubwire.Message{}, false
	}
	content, err := handle(ctx, u, request{client: client, namespace: namespace, name: name, operation: m.Route.Operation, node: node, typ: kind, content: m.Content})
	if errors.Is(err, errSilent) {
		slog.Warn("request not answered", "node", node, "operation", m.Route.Operation, "resource", m.Route.Resource, "err", err)
		return hubwire.Message{}, false
	}
	if err != nil {
		slog.Warn("request failed", "node", node, "operation", m.Route.Operation, "resource", m.Route.Resource, "err", err)
		content = err
	}
	data, err := json.Marshal(content)
	if err != nil {
		slog.Error("cannot encode an answer", "resource", m.Route.Resource, "err", err)
		return hubwire.Message{}, false
	}
	answer := hubwire.New(source, hubwire.Response, m.Route.Resource, data)
	answer.Header.Parent = m.Header.ID
	return answer, true
}

// CreateNode registers an edge node by its Node's JSON.
func (u *Upstream) CreateNode(ctx context.Context, node string, body []byte) (*corev1.Node, error) {
	client, err := u.as(node)
	if err != nil {
		return nil, err
	}
	return createNode(ctx, u, request{client: client, name: node, node: node, content: body})
}

// as gives a client in the node's name, or CloudCore's own.
func (u *Upstream) as(node string) (kubernetes.Interface, error) {
	if !u.impersonate {
		return u.own, nil
	}
	conf := rest.CopyConfig(u.conf)
	conf.Impersonate = rest.ImpersonationConfig{UserName: "system:node:" + node, Groups: []string{"system:nodes"}}
	client, err := kubernetes.NewForConfig(conf)
	if err != nil {
		return nil, fmt.Errorf("client of node %s: %w", node, err)
	}
	return client, nil
}

// objectResponse is the answer to what writes an object.
type objectResponse struct {
	Object any
	Err    error
}

// response wraps the object and the error of a handler, as the real one does.
func response[T any](do func(context.Context, *Upstream, request) (T, error)) handler {
	return func(ctx context.Context, u *Upstream, r request) (any, error) {
		made, err := do(ctx, u, r)
		if errors.Is(err, errSilent) {
			return nil, err
		}
		return objectResponse{Object: made, Err: err}, nil
	}
}

// object answers the object itself.
func object[T any](do func(context.Context, *Upstream, request) (T, error)) handler {
	return func(ctx context.Context, u *Upstream, r request) (any, error) {
		got, err := do(ctx, u, r)
		if err != nil {
			return nil, err
		}
		return got, nil
	}
}

// Connected implements cloudhub.Upstream: it writes this CloudCore's address into the
// Node's annotation.
func (u *Upstream) Connected(ctx context.Context, node string) {
	const tries = 3
	for range tries {
		err := u.annotate(ctx, node)
		if err == nil || ctx.Err() != nil {
			return
		}
		slog.Warn("cannot annotate the Node", "node", node, "err", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
}
