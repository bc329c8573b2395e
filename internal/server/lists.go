package server

import (
	"context"
	"slices"

	authzv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/edgeway-io/edgeway/internal/limit"
	"github.com/edgeway-io/edgeway/internal/live"
	"github.com/edgeway-io/edgeway/internal/observe"
)

// lists are what a session watches of a cluster while its user looks at nodes. Every
// answer that comes from them is given only after the API server has said that the user
// may still read that.
type lists struct {
	nodes *live.List[observe.Node]
	pods  *live.List[observe.PodUse]
}

// newLists begin to watch when they are first read, and end with ctx.
func newLists(ctx context.Context, kube kubernetes.Interface, budget *limit.Bytes) lists {
	source := func(resource string) cache.ListerWatcher {
		return cache.NewListWatchFromClient(kube.CoreV1().RESTClient(), resource, metav1.NamespaceAll, fields.Everything())
	}
	return lists{
		nodes: live.New(ctx, source("nodes"), &corev1.Node{}, func(o kruntime.Object) observe.Node { return observe.NodeOf(o.(*corev1.Node)) }, budget),
		pods:  live.New(ctx, source("pods"), &corev1.Pod{}, func(o kruntime.Object) observe.PodUse { return observe.PodUseOf(o.(*corev1.Pod)) }, budget),
	}
}

// nodeRows are the nodes of a role, without usage and pods.
func (c *clusterClients) nodeRows(ctx context.Context, role string) ([]observe.Node, error) {
	if rows, ok := c.lists.nodes.Rows(); ok && c.mayList(ctx, "nodes") {
		return slices.DeleteFunc(rows, func(n observe.Node) bool { return role != roleAll && n.Role != role }), nil
	}
	return decode(ctx, c, func() ([]observe.Node, error) {
		list, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: selectorOf(role), ResourceVersion: "0"})
		if err != nil {
			return nil, err
		}
		out := make([]observe.Node, 0, len(list.Items))
		for i := range list.Items {
			out = append(out, observe.NodeOf(&list.Items[i]))
		}
		return out, nil
	})
}

// podCounts are those of all nodes, by name.
func (c *clusterClients) podCounts(ctx context.Context) (map[string]*observe.PodCount, error) {
	if rows, ok := c.lists.pods.Rows(); ok && c.mayList(ctx, "pods") {
		return observe.CountPods(rows), nil
	}
	return decode(ctx, c, func() (map[string]*observe.PodCount, error) {
		list, err := c.kube.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return nil, err
		}
		return observe.CountPods(observe.PodUses(list.Items)), nil
	})
}

// mayList is false, too, when the API server does not say: who lists then by himself
// learns why.
func (c *clusterClients) mayList(ctx context.Context, resource string) bool {
	ok, err := allowedTo(ctx, c.kube, authzv1.ResourceAttributes{Verb: "list", Resource: resource})
	return err == nil && ok
}
