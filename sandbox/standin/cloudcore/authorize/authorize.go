// Package authorize is CloudHub's authorization, mode node: Kubernetes' own Node
// authorizer says what an edge node may ask for, by the name that its connection gave.
package authorize

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubernetes/pkg/auth/nodeidentifier"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/node"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"

	"github.com/edgeway-io/edgeway/sandbox/standin/hubwire"
)

// Why something is refused.
var (
	ErrName   = errors.New("the certificate is another node's")
	ErrDenied = errors.New("the node may not do that")
)

const nodePrefix = "system:node:"

// Authorizer implements cloudhub.Authorizer.
type Authorizer struct{ nodes authorizer.Authorizer }

// New makes an Authorizer and fills its caches, for which the client lists and watches
// Nodes, pods, persistent volumes and volume attachments.
func New(ctx context.Context, client kubernetes.Interface) (*Authorizer, error) {
	factory := informers.NewSharedInformerFactory(client, 0)
	graph := node.NewGraph()
	core := factory.Core().V1()
	node.AddGraphEventHandlers(graph, core.Nodes(), core.Pods(), core.PersistentVolumes(), factory.Storage().V1().VolumeAttachments(), nil, nil)
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return nil, fmt.Errorf("list %s: %w", kind, ctx.Err())
		}
	}
	return &Authorizer{nodes: node.NewAuthorizer(graph, nodeidentifier.NewDefaultNodeIdentifier(), bootstrappolicy.NodeRules())}, nil
}

// Connection compares the name with the certificate's.
func (a *Authorizer) Connection(cert *x509.Certificate, node string) error {
	if got := cert.Subject.CommonName; got != nodePrefix+node {
		return fmt.Errorf("%w: it is of %q, the connection of %q", ErrName, got, node)
	}
	return nil
}

// Message asks the Node authorizer about what Kubernetes knows; what is KubeEdge's alone
// is let through.
func (a *Authorizer) Message(ctx context.Context, node string, m hubwire.Message) error {
	if own(m) {
		return nil
	}
	attributes, err := attributesOf(node, m)
	if err != nil {
		return err
	}
	decision, reason, err := a.nodes.Authorize(ctx, attributes)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	if decision != authorizer.DecisionAllow {
		return fmt.Errorf("%w: %s", ErrDenied, reason)
	}
	return nil
}

func own(m hubwire.Message) bool {
	switch m.Route.Operation {
	case hubwire.Response, hubwire.Keepalive, "error", "upload":
		return true
	}
	return m.Route.Source == "metaserver" || m.Route.Source == "twin" || m.Route.Resource == "k8s/ca.crt"
}

// kinds are the message types that stand for a Kubernetes resource.
var kinds = map[string]struct {
	group, resource, subresource string
	cluster                      bool
}{
	"node":                      {resource: "nodes", cluster: true},
	"nodestatus":                {resource: "nodes", subresource: "status", cluster: true},
	"nodepatch":                 {resource: "nodes", subresource: "status", cluster: true},
	"pod":                       {resource: "pods"},
	"podstatus":                 {resource: "pods", subresource: "status"},
	"podpatch":                  {resource: "pods", subresource: "status"},
	"configmap":                 {resource: "configmaps"},
	"secret":                    {resource: "secrets"},
	"serviceaccounttoken":       {resource: "serviceaccounts", subresource: "token"},
	"persistentvolume":          {resource: "persistentvolumes", cluster: true},
	"persistentvolumeclaim":     {resource: "persistentvolumeclaims"},
	"lease":                     {group: "coordination.k8s.io", resource: "leases"},
	"volumeattachment":          {group: "storage.k8s.io", resource: "volumeattachments", cluster: true},
	"certificatesigningrequest": {group: "certificates.k8s.io", resource: "certificatesigningrequests", cluster: true},
}

var verbs = map[string]string{
	hubwire.Insert: "create", hubwire.Delete: "delete", hubwire.Update: "update", hubwire.Patch: "patch", hubwire.Query: "get",
}

func attributesOf(node string, m hubwire.Message) (authorizer.Attributes, error) {
	namespace, kind, name := m.Target()
	name, _, _ = strings.Cut(name, "/")
	k, ok := kinds[kind]
	if !ok {
		return nil, fmt.Errorf("%w: unknown type %q", ErrDenied, kind)
	}
	verb, ok := verbs[m.Route.Operation]
	if !ok {
		return nil, fmt.Errorf("%w: unknown operation %q", ErrDenied, m.Route.Operation)
	}
	if k.subresource == "token" {
		verb = "create"
	}
	if k.cluster {
		namespace = ""
	}
	return authorizer.AttributesRecord{
		User: &user.DefaultInfo{Name: nodePrefix + node, Groups: []string{"system:nodes"}},
		Verb: verb, Namespace: namespace, APIGroup: k.group, APIVersion: "v1", Resource: k.resource, Subresource: k.subresource,
		Name: name, ResourceRequest: true,
	}, nil
}
