package serve

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/samples"
)

// Kube answers from the cluster: nodes from edge-watcher's cache, pods live.
type Kube struct {
	nodes client.Reader
	live  kubernetes.Interface
}

// NewKube takes a reader that caches Nodes.
func NewKube(nodes client.Reader, live kubernetes.Interface) *Kube {
	return &Kube{nodes: nodes, live: live}
}

// HasNode looks into the cache.
func (k *Kube) HasNode(ctx context.Context, name string) error {
	return k.nodes.Get(ctx, client.ObjectKey{Name: name}, &corev1.Node{})
}

// EdgeNodes lists the names of all edge nodes.
func (k *Kube) EdgeNodes(ctx context.Context) ([]string, error) {
	var list corev1.NodeList
	if err := k.nodes.List(ctx, &list, client.HasLabels{v1alpha1.LabelEdge}); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(list.Items))
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
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
