// Package downstream tells edge nodes what concerns them: their pods, what those mount,
// and their own Node. A node is one whose Node has the edge label with an empty value; a
// pod that is bound while the label has another value, or is missing, is never sent.
package downstream

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/edgeway-io/edgeway/sandbox/standin/hubwire"
)

const (
	// EdgeLabel with an empty value marks the nodes that CloudCore serves.
	EdgeLabel = "node-role.kubernetes.io/edge"
	source    = "edgecontroller"
)

// Record tells what nodes have acknowledged.
type Record interface {
	Has(node, uid, version string) bool
	Acknowledged(ctx context.Context, node, namespace, pod, uid, version string)
	Gone(ctx context.Context, node, namespace, uid string)
}

// Hub takes messages for nodes.
type Hub interface {
	Push(node, key string, m hubwire.Message)
	Disconnect(node string)
}

// Downstream watches the cluster.
type Downstream struct {
	hub    Hub
	record Record
	mu     sync.Mutex
	edges  map[string]bool
	// users are the nodes with pods that mount an object, by TYPE/NAMESPACE/NAME.
	users map[string]map[string]bool
	// pods says of every pod, by its UID, whether its node was told of it.
	pods map[string]bool
}

// New makes a Downstream that sends to a hub.
func New(hub Hub, record Record) *Downstream {
	return &Downstream{hub: hub, record: record, edges: map[string]bool{}, users: map[string]map[string]bool{}, pods: map[string]bool{}}
}

// Told tells whether a pod, by its UID, is told to its node. A pod that is too new to be
// known is waited for.
func (d *Downstream) Told(ctx context.Context, uid string) bool {
	const longest, pause = 5 * time.Second, 20 * time.Millisecond
	for end := time.Now().Add(longest); ; {
		d.mu.Lock()
		told, known := d.pods[uid]
		d.mu.Unlock()
		if known || time.Now().After(end) {
			return told
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
}

// Acknowledged notes that a node has answered a message; only pods are recorded.
func (d *Downstream) Acknowledged(node string, m hubwire.Message) {
	namespace, kind, name := m.Target()
	if kind != "pod" {
		return
	}
	var pod corev1.Pod
	if err := json.Unmarshal(m.Content, &pod); err != nil {
		slog.Error("cannot read a message of our own", "resource", m.Route.Resource, "err", err)
		return
	}
	ctx := context.Background()
	if m.Route.Operation == hubwire.Delete {
		d.record.Gone(ctx, node, namespace, string(pod.UID))
		return
	}
	d.record.Acknowledged(ctx, node, namespace, name, string(pod.UID), pod.ResourceVersion)
}

// Run watches until ctx ends. Nodes are known before the first pod is looked at.
func (d *Downstream) Run(ctx context.Context, client kubernetes.Interface) error {
	nodes := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.LabelSelector = EdgeLabel + "="
	}))
	all := informers.NewSharedInformerFactory(client, 0)
	if err := watch(nodes.Core().V1().Nodes().Informer(), d.node, nil, d.nodeGone); err != nil {
		return err
	}
	nodes.Start(ctx.Done())
	nodes.WaitForCacheSync(ctx.Done())
	if err := watch(all.Core().V1().Pods().Informer(), d.pod, concerns, d.podGone); err != nil {
		return err
	}
	if err := watch(all.Core().V1().ConfigMaps().Informer(), d.configMap, nil, nil); err != nil {
		return err
	}
	if err := watch(all.Core().V1().Secrets().Informer(), d.secret, nil, nil); err != nil {
		return err
	}
	all.Start(ctx.Done())
	<-ctx.Done()
	return nil
}

// watch calls changed for what is new (the second argument) or changed, and gone for
// what is no more.
func watch[T runtime.Object](informer cache.SharedIndexInformer, changed func(T, bool), concerns func(before, after T) bool, gone func(T)) error {
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { changed(o.(T), true) },
		UpdateFunc: func(before, o any) {
			if concerns == nil || concerns(before.(T), o.(T)) {
				changed(o.(T), false)
			}
		},
		DeleteFunc: func(o any) {
			if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = unknown.Obj
			}
			if v, ok := o.(T); ok && gone != nil {
				gone(v)
			}
		},
	})
	return err
}

func (d *Downstream) node(n *corev1.Node, _ bool) {
	d.mu.Lock()
	d.edges[n.Name] = true
	d.mu.Unlock()
	d.push(n.Name, "null/node/"+n.Name, string(n.UID), hubwire.Update, n)
}

func (d *Downstream) nodeGone(n *corev1.Node) {
	d.mu.Lock()
	delete(d.edges, n.Name)
	d.mu.Unlock()
	d.hub.Disconnect(n.Name)
}

func (d *Downstream) pod(p *corev1.Pod, fresh bool) {
	d.mu.Lock()
	if !d.edges[p.Spec.NodeName] {
		if _, known := d.pods[string(p.UID)]; !known && p.Spec.NodeName != "" {
			d.pods[string(p.UID)] = false
		}
		d.mu.Unlock()
		return
	}
	for _, key := range mounts(p) {
		if d.users[key] == nil {
			d.users[key] = map[string]bool{}
		}
		d.users[key][p.Spec.NodeName] = true
	}
	operation := hubwire.Update
	if fresh || !d.pods[string(p.UID)] {
		operation = hubwire.Insert
	}
	d.pods[string(p.UID)] = true
	d.mu.Unlock()
	if d.record.Has(p.Spec.NodeName, string(p.UID), p.ResourceVersion) {
		return
	}
	d.push(p.Spec.NodeName, p.Namespace+"/pod/"+p.Name, string(p.UID), operation, p)
}

// concerns tells whether a change of a pod concerns its node: a status is its own.
func concerns(before, after *corev1.Pod) bool {
	a, b := before.ObjectMeta.DeepCopy(), after.ObjectMeta.DeepCopy()
	a.ResourceVersion, a.ManagedFields = b.ResourceVersion, b.ManagedFields
	a.Generation = b.Generation
	return !equality.Semantic.DeepEqual(a, b) || !equality.Semantic.DeepEqual(before.Spec, after.Spec)
}

func (d *Downstream) podGone(p *corev1.Pod) {
	d.mu.Lock()
	served := d.edges[p.Spec.NodeName]
	delete(d.pods, string(p.UID))
	d.mu.Unlock()
	if served {
		d.push(p.Spec.NodeName, p.Namespace+"/pod/"+p.Name, string(p.UID), hubwire.Delete, p)
	}
}

func (d *Downstream) configMap(m *corev1.ConfigMap, fresh bool) {
	if !fresh {
		d.tellUsers("configmap", &m.ObjectMeta, m)
	}
}

func (d *Downstream) secret(s *corev1.Secret, fresh bool) {
	if !fresh {
		d.tellUsers("secret", &s.ObjectMeta, s)
	}
}

func (d *Downstream) tellUsers(kind string, meta *metav1.ObjectMeta, o runtime.Object) {
	d.mu.Lock()
	var nodes []string
	for node := range d.users[kind+"/"+meta.Namespace+"/"+meta.Name] {
		nodes = append(nodes, node)
	}
	d.mu.Unlock()
	for _, node := range nodes {
		d.push(node, meta.Namespace+"/"+kind+"/"+meta.Name, string(meta.UID), hubwire.Update, o)
	}
}

func (d *Downstream) push(node, resource, uid, operation string, o runtime.Object) {
	data, err := json.Marshal(o)
	if err != nil {
		slog.Error("cannot encode", "resource", resource, "err", err)
		return
	}
	m := hubwire.New(source, operation, resource, data)
	if meta, err := meta.Accessor(o); err == nil {
		m.Header.ResourceVersion = meta.GetResourceVersion()
	}
	d.hub.Push(node, uid, m)
}

// mounts are the ConfigMaps and Secrets of a pod, as TYPE/NAMESPACE/NAME.
func mounts(p *corev1.Pod) []string {
	var keys []string
	add := func(kind, name string) { keys = append(keys, kind+"/"+p.Namespace+"/"+name) }
	for _, v := range p.Spec.Volumes {
		if v.ConfigMap != nil {
			add("configmap", v.ConfigMap.Name)
		}
		if v.Secret != nil {
			add("secret", v.Secret.SecretName)
		}
	}
	for _, c := range p.Spec.Containers {
		for _, from := range c.EnvFrom {
			if from.ConfigMapRef != nil {
				add("configmap", from.ConfigMapRef.Name)
			}
			if from.SecretRef != nil {
				add("secret", from.SecretRef.Name)
			}
		}
	}
	return keys
}
