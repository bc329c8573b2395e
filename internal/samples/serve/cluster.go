package serve

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/internal/samples"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

// Kube answers from the cluster: nodes from what edge-watcher knows, pods live.
type Kube struct {
	nodes *nodes.Store
	live  kubernetes.Interface
}

// NewKube takes a store that is started by others.
func NewKube(store *nodes.Store, live kubernetes.Interface) *Kube {
	return &Kube{nodes: store, live: live}
}

// HasNode waits until the nodes are known.
func (k *Kube) HasNode(ctx context.Context, name string) error {
	if err := k.nodes.WaitForSync(ctx); err != nil {
		return err
	}
	if k.nodes.Get(name) == nil {
		return apierrors.NewNotFound(corev1.Resource("nodes"), name)
	}
	return nil
}

// EdgeNodes lists the names of all edge nodes.
func (k *Kube) EdgeNodes(ctx context.Context) ([]string, error) {
	if err := k.nodes.WaitForSync(ctx); err != nil {
		return nil, err
	}
	var names []string
	k.nodes.Each(func(n *nodes.Node) {
		if n.Edge && n.ExpectedBy == "" {
			names = append(names, n.Name)
		}
	})
	slices.Sort(names)
	return names, nil
}

// NodeOf reads the pod.
func (k *Kube) NodeOf(ctx context.Context, namespace, pod string) (string, error) {
	p, err := k.live.CoreV1().Pods(namespace).Get(ctx, pod, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return p.Spec.NodeName, nil
}

// PodNodes lists the pods that have not ended.
func (k *Kube) PodNodes(ctx context.Context, namespace string) (map[samples.PodKey]string, error) {
	list, err := k.live.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{
		ResourceVersion: "0", FieldSelector: "status.phase!=Succeeded,status.phase!=Failed",
	})
	if err != nil {
		return nil, err
	}
	out := make(map[samples.PodKey]string, len(list.Items))
	for i := range list.Items {
		p := &list.Items[i]
		out[samples.PodKey{Namespace: p.Namespace, Name: p.Name}] = p.Spec.NodeName
	}
	return out, nil
}
