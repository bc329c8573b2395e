// Package synced remembers which version of an object an edge node has acknowledged, in
// KubeEdge's ObjectSync objects, so that a restarted CloudCore does not send it again.
package synced

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

var resource = schema.GroupVersionResource{Group: "reliablesyncs.kubeedge.io", Version: "v1alpha1", Resource: "objectsyncs"}

// Store reads and writes the record.
type Store struct {
	client dynamic.Interface
	mu     sync.Mutex
	known  map[string]string // version by NODE.UID
}

// Load reads what was acknowledged before. A cluster without the type has nothing.
func Load(ctx context.Context, client dynamic.Interface) (*Store, error) {
	s := &Store{client: client, known: map[string]string{}}
	list, err := client.Resource(resource).List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		slog.Warn("the type ObjectSync is missing; pods are sent again after a restart", "err", err)
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list ObjectSyncs: %w", err)
	}
	for _, o := range list.Items {
		version, _, _ := unstructured.NestedString(o.Object, "status", "objectResourceVersion")
		s.known[o.GetName()] = version
	}
	return s, nil
}

// Has tells whether a node has acknowledged this version of an object.
func (s *Store) Has(node, uid, version string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return version != "" && s.known[name(node, uid)] == version
}

// Acknowledged notes that a node has a version of a pod.
func (s *Store) Acknowledged(ctx context.Context, node, namespace, pod, uid, version string) {
	s.mu.Lock()
	s.known[name(node, uid)] = version
	s.mu.Unlock()
	if err := s.write(ctx, name(node, uid), namespace, pod, version); err != nil {
		slog.Debug("cannot note an acknowledgment", "node", node, "pod", namespace+"/"+pod, "err", err)
	}
}

// Gone forgets a pod.
func (s *Store) Gone(ctx context.Context, node, namespace, uid string) {
	s.mu.Lock()
	delete(s.known, name(node, uid))
	s.mu.Unlock()
	err := s.client.Resource(resource).Namespace(namespace).Delete(ctx, name(node, uid), metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		slog.Debug("cannot forget an acknowledgment", "node", node, "uid", uid, "err", err)
	}
}

func (s *Store) write(ctx context.Context, name, namespace, pod, version string) error {
	syncs := s.client.Resource(resource).Namespace(namespace)
	o, err := syncs.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		o, err = syncs.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": resource.GroupVersion().String(), "kind": "ObjectSync",
			"metadata": map[string]any{"name": name, "namespace": namespace},
			"spec":     map[string]any{"objectAPIVersion": "v1", "objectKind": "Pod", "objectName": pod},
		}}, metav1.CreateOptions{})
	}
	if err != nil {
		return err
	}
	if err := unstructured.SetNestedField(o.Object, version, "status", "objectResourceVersion"); err != nil {
		return err
	}
	_, err = syncs.UpdateStatus(ctx, o, metav1.UpdateOptions{})
	return err
}

func name(node, uid string) string { return node + "." + uid }
