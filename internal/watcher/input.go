package watcher

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
)

// gatherer reads routing's input from the cache.
type gatherer struct {
	reader client.Reader
	// nodes lists what routing needs of every Node.
	nodes    func(context.Context) ([]routes.Node, error)
	service  string
	settings routes.Settings
	networks *Networks
}

// gather returns the input; routes.ErrBadRecord when CloudCore's record is broken.
func (g *gatherer) gather(ctx context.Context) (routes.Input, error) {
	in := routes.Input{Settings: g.settings, ServiceCIDRs: g.networks.Current()}
	var err error
	if in.Nodes, err = g.nodes(ctx); err != nil {
		return in, err
	}
	if in.CloudCores, err = g.cloudCores(ctx); err != nil {
		return in, err
	}
	enrolled, err := enrollments(ctx, g.reader)
	if err != nil {
		return in, err
	}
	in.Reservations, in.Enrolled, in.Retired = enrolled.addresses, enrolled.devices, enrolled.retired
	if in.Reported, err = g.reported(ctx, &in); err != nil {
		return in, err
	}
	in.Record, err = g.record(ctx)
	return in, err
}

// reported are the addresses that the operators on cloud nodes found in their kernels.
func (g *gatherer) reported(ctx context.Context, in *routes.Input) (map[string][]netip.Addr, error) {
	var list v1alpha1.CloudNodeRoutesList
	if err := g.reader.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list reports of cloud nodes: %w", err)
	}
	cloud := map[string]bool{}
	for i := range in.Nodes {
		cloud[in.Nodes[i].Name] = in.IsCloud(&in.Nodes[i])
	}
	out := map[string][]netip.Addr{}
	for i := range list.Items {
		if report := &list.Items[i]; cloud[report.Name] {
			out[report.Name] = parseAddrs(report.Status.Addresses)
		}
	}
	return out, nil
}

// cloudCores are the endpoints of CloudCore's Service whether ready or not: a
// CloudCore that fails its probe may still hold tunnels, and one without a tunnel
// costs a request nothing more than an error.
func (g *gatherer) cloudCores(ctx context.Context) ([]routes.CloudCore, error) {
	var list discoveryv1.EndpointSliceList
	err := g.reader.List(ctx, &list, client.InNamespace(v1alpha1.KubeEdgeNamespace),
		client.MatchingLabels{discoveryv1.LabelServiceName: g.service})
	if err != nil {
		return nil, fmt.Errorf("list endpoint slices of Service %s: %w", g.service, err)
	}
	return mergeEndpoints(list.Items), nil
}

// mergeEndpoints makes one CloudCore of a pod's endpoints: a dual-stack pod has one
// in a slice of each family.
func mergeEndpoints(list []discoveryv1.EndpointSlice) []routes.CloudCore {
	byPod := map[string]*routes.CloudCore{}
	for _, slice := range list {
		for _, endpoint := range slice.Endpoints {
			addrs := parseAddrs(endpoint.Addresses)
			if len(addrs) == 0 {
				continue
			}
			pod := addrs[0].String()
			if ref := endpoint.TargetRef; ref != nil {
				pod = ref.Namespace + "/" + ref.Name
			}
			core := byPod[pod]
			if core == nil {
				core = &routes.CloudCore{Pod: pod}
				byPod[pod] = core
			}
			if endpoint.NodeName != nil {
				core.NodeName = *endpoint.NodeName
			}
			core.Addresses = append(core.Addresses, addrs...)
		}
	}
	cores := make([]routes.CloudCore, 0, len(byPod))
	for _, core := range byPod {
		slices.SortFunc(core.Addresses, netip.Addr.Compare)
		core.Addresses = slices.Compact(core.Addresses)
		cores = append(cores, *core)
	}
	slices.SortFunc(cores, func(a, b routes.CloudCore) int { return strings.Compare(a.Pod, b.Pod) })
	return cores
}

// parseAddrs leaves out what is no IP address, such as the names of FQDN slices.
func parseAddrs(texts []string) []netip.Addr {
	var addrs []netip.Addr
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil {
			addrs = append(addrs, addr.Unmap())
		}
	}
	return addrs
}

func (g *gatherer) record(ctx context.Context) (routes.Record, error) {
	var cm corev1.ConfigMap
	key := client.ObjectKey{Namespace: v1alpha1.KubeEdgeNamespace, Name: v1alpha1.TunnelPortConfigMap}
	if err := g.reader.Get(ctx, key, &cm); client.IgnoreNotFound(err) != nil {
		return routes.Record{}, fmt.Errorf("get ConfigMap %s: %w", key, err)
	} else if apierrors.IsNotFound(err) {
		return routes.ParseRecord("")
	}
	record, err := routes.ParseRecord(cm.Annotations[v1alpha1.TunnelPortAnnotation])
	if err != nil {
		return record, fmt.Errorf("ConfigMap %s: %w", key, err)
	}
	return record, nil
}

// enrolled is what the enrollments say about node names and addresses.
type enrolled struct {
	addresses map[netip.Addr]string
	devices   map[string][]netip.Addr
	retired   map[string]bool
}

// enrollments reads who holds which address, which names belong to devices, and which of
// those devices are retired.
func enrollments(ctx context.Context, reader client.Reader) (enrolled, error) {
	out := enrolled{addresses: map[netip.Addr]string{}, devices: map[string][]netip.Addr{}, retired: map[string]bool{}}
	var list v1alpha1.EdgeEnrollmentList
	if err := reader.List(ctx, &list, client.InNamespace(v1alpha1.JoinNamespace), client.UnsafeDisableDeepCopy); err != nil {
		return out, fmt.Errorf("list enrollments: %w", err)
	}
	var all []*v1alpha1.EdgeEnrollment
	for i := range list.Items {
		if counts(&list.Items[i]) {
			all = append(all, &list.Items[i])
		}
	}
	// The oldest of two enrollments for one address counts.
	slices.SortFunc(all, func(a, b *v1alpha1.EdgeEnrollment) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(string(a.UID), string(b.UID)))
	})
	held := map[string]bool{}
	for _, e := range all {
		addr, err := netip.ParseAddr(e.Spec.NodeIP)
		addr = addr.Unmap()
		if e.OfDevice() {
			out.devices[e.Spec.NodeName] = append(out.devices[e.Spec.NodeName], addr)
		}
		if e.Status.Phase == v1alpha1.PhaseRetired {
			out.retired[e.Spec.NodeName] = true
		}
		if !e.Holds() {
			continue
		}
		held[e.Spec.NodeName] = true
		if _, taken := out.addresses[addr]; err == nil && !taken {
			out.addresses[addr] = e.Spec.NodeName
		}
	}
	maps.DeleteFunc(out.retired, func(name string, _ bool) bool { return held[name] })
	return out, nil
}

// counts tells whether an enrollment says anything about names and addresses.
func counts(e *v1alpha1.EdgeEnrollment) bool {
	return e.Holds() || e.OfDevice() || e.Status.Phase == v1alpha1.PhaseRetired
}
