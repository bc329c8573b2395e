package watcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const (
	// networksEvery is how often the Service networks are looked for: a cluster gets
	// another one once in years.
	networksEvery = 30 * time.Second
	// kubeadmConfig in namespace kube-system is what kubeadm made the cluster from.
	kubeadmConfig = "kubeadm-config"
	// rangeFlag of kube-apiserver.
	rangeFlag = "--service-cluster-ip-range="
)

// Networks knows the cluster's Service networks: those that an admin named, and those
// that the cluster says it has. ServiceCIDR objects are the cluster's word (Kubernetes
// 1.31 and later); before, kube-apiserver's flags, then kubeadm's configuration.
type Networks struct {
	configured []netip.Prefix
	live       client.Reader
	log        *slog.Logger

	mu    sync.RWMutex
	found []netip.Prefix
	queue requestQueue
}

// Current are the networks as they were found last.
func (n *Networks) Current() []netip.Prefix {
	if n == nil {
		return nil
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Concat(n.configured, n.found)
}

// Start looks until ctx ends. It implements manager.Runnable.
func (n *Networks) Start(ctx context.Context) error {
	tick := time.NewTicker(networksEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			n.look(ctx)
		}
	}
}

// NeedLeaderElection is false: a replica that takes over knows them at once.
func (n *Networks) NeedLeaderElection() bool { return false }

// connect is the source of a controller that has to know of changes. The first look is
// over before the first request.
func (n *Networks) connect(ctx context.Context, queue requestQueue) error {
	n.look(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queue = queue
	queue.Add(everything)
	return nil
}

// look keeps what was known when the API server does not answer.
func (n *Networks) look(ctx context.Context) {
	found, err := n.find(ctx)
	if err != nil {
		n.log.Warn("cannot read the cluster's Service networks; those known so far stay", "error", err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if slices.Equal(n.found, found) {
		return
	}
	n.log.Info("the cluster's Service networks", "networks", found)
	n.found = found
	if n.queue != nil {
		n.queue.Add(everything)
	}
}

// find asks one source after the other; the first that says something counts.
func (n *Networks) find(ctx context.Context) ([]netip.Prefix, error) {
	for _, source := range []func(context.Context, client.Reader) ([]string, error){ofServiceCIDRs, ofAPIServers, ofKubeadm} {
		texts, err := source(ctx, n.live)
		if unavailable(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var out []netip.Prefix
		for _, text := range texts {
			if prefix, err := netip.ParsePrefix(strings.TrimSpace(text)); err == nil {
				out = append(out, prefix.Masked())
			}
		}
		if len(out) > 0 {
			slices.SortFunc(out, netip.Prefix.Compare)
			return slices.Compact(out), nil
		}
	}
	return nil, nil
}

// unavailable says that a source is not there, or not for us: the next one is asked.
func unavailable(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || meta.IsNoMatchError(err)
}

// ofServiceCIDRs reads the objects of the newest version that is served.
func ofServiceCIDRs(ctx context.Context, live client.Reader) ([]string, error) {
	var errs []error
	for _, version := range []string{"v1", "v1beta1"} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: "networking.k8s.io", Version: version, Kind: "ServiceCIDRList"})
		err := live.List(ctx, list)
		if unavailable(err) {
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("list ServiceCIDRs of %s: %w", version, err))
			continue
		}
		var out []string
		for _, item := range list.Items {
			cidrs, _, _ := unstructured.NestedStringSlice(item.Object, "spec", "cidrs")
			out = append(out, cidrs...)
		}
		return out, nil
	}
	return nil, errors.Join(errs...)
}

// ofAPIServers reads the flag of kube-apiserver where it runs as a static pod.
func ofAPIServers(ctx context.Context, live client.Reader) ([]string, error) {
	var pods corev1.PodList
	err := live.List(ctx, &pods, client.InNamespace(metav1.NamespaceSystem), client.MatchingLabels{"component": "kube-apiserver"})
	if err != nil {
		return nil, fmt.Errorf("list pods of kube-apiserver: %w", err)
	}
	var out []string
	for i := range pods.Items {
		// Only a kubelet with the control plane's files makes a mirror pod.
		if _, static := pods.Items[i].Annotations[corev1.MirrorPodAnnotationKey]; !static {
			continue
		}
		for _, c := range pods.Items[i].Spec.Containers {
			for _, arg := range slices.Concat(c.Command, c.Args) {
				if value, found := strings.CutPrefix(arg, rangeFlag); found {
					out = append(out, strings.Split(value, ",")...)
				}
			}
		}
	}
	return out, nil
}

// ofKubeadm reads kubeadm's ClusterConfiguration.
func ofKubeadm(ctx context.Context, live client.Reader) ([]string, error) {
	var cm corev1.ConfigMap
	key := client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: kubeadmConfig}
	if err := live.Get(ctx, key, &cm); err != nil {
		return nil, fmt.Errorf("get ConfigMap %s: %w", key, err)
	}
	var conf struct {
		Networking struct {
			ServiceSubnet string `json:"serviceSubnet"`
		} `json:"networking"`
	}
	if err := yaml.Unmarshal([]byte(cm.Data["ClusterConfiguration"]), &conf); err != nil {
		return nil, nil // not kubeadm's; there is no other source to ask
	}
	return strings.Split(conf.Networking.ServiceSubnet, ","), nil
}
