package watcher

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// maxAdmitted is what an EdgeRouteGuard may hold, maxGuardAddresses what one of its
// ports may.
const (
	maxAdmitted       = 4096
	maxGuardAddresses = 64
)

// GuardOptions say which addresses may reach the gate before CloudStream, and thus
// which cannot even try.
type GuardOptions struct {
	// Enabled switches the operators' guard of the stream port.
	Enabled bool
	// StreamService is the Service in front of CloudStream's port.
	StreamService string
	// Admit are the admin's own addresses and CIDRs.
	Admit []string
	// AdmitPods are "namespace/selector": pods whose exact addresses are admitted.
	AdmitPods []string
}

func defaultGuardOptions() GuardOptions {
	return GuardOptions{
		Enabled:       true,
		StreamService: "cloudcore-stream",
	}
}

func (o *GuardOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.Enabled, "stream-guard", o.Enabled, "let the operators guard CloudStream's port")
	fs.StringVar(&o.StreamService, "stream-service", o.StreamService, "Service in namespace kubeedge in front of CloudStream's port")
	fs.StringArrayVar(&o.Admit, "admit", o.Admit, "IP address or CIDR that may reach CloudStream (repeatable)")
	fs.StringArrayVar(&o.AdmitPods, "admit-pods", o.AdmitPods, "NAMESPACE/SELECTOR of pods that may reach CloudStream (repeatable; the chart names the usual ones)")
}

func (o *GuardOptions) validate() error {
	_, err := o.podSelectors()
	_, admitErr := o.admitted()
	return errors.Join(err, admitErr)
}

// admitted are the admin's addresses in a canonical form.
func (o *GuardOptions) admitted() ([]string, error) {
	var out []string
	var errs []error
	for _, text := range o.Admit {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			out = append(out, prefix.Masked().String())
		} else if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			out = append(out, addr.Unmap().String())
		} else {
			errs = append(errs, fmt.Errorf("%w: --admit %q is neither an IP address nor a CIDR; write it like 10.1.2.3 or 10.1.0.0/16", ErrBadOption, text))
		}
	}
	return out, errors.Join(errs...)
}

// podSelectors by namespace. Several for one namespace add up.
func (o *GuardOptions) podSelectors() (map[string][]labels.Selector, error) {
	out := map[string][]labels.Selector{}
	var errs []error
	for _, text := range o.AdmitPods {
		parsed, err := settings.ParsePodSelector(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: --admit-pods %q is not NAMESPACE/SELECTOR: %w; write it like monitoring/app=prometheus", ErrBadOption, text, err))
			continue
		}
		out[parsed.Namespace] = append(out[parsed.Namespace], parsed.Selector)
	}
	return out, errors.Join(errs...)
}

// guardian finds the facts of the stream guard.
type guardian struct {
	reader  client.Reader
	pods    *podSource
	options GuardOptions
}

// guard returns what the operators are to guard and whom they admit.
func (g *guardian) guard(ctx context.Context, in routes.Input) (*v1alpha1.EdgeRouteGuard, error) {
	if !g.options.Enabled {
		return &v1alpha1.EdgeRouteGuard{}, nil
	}
	admitted, err := g.options.admitted()
	if err != nil {
		return nil, err
	}
	cloudNodes, cloudAddrs := cloudNodes(&in)
	pods, err := g.pods.addresses(ctx, cloudNodes)
	if err != nil {
		return nil, err
	}
	admitted = slices.Concat(admitted, pods)
	slices.Sort(admitted)
	admitted = slices.Compact(admitted)
	guard := &v1alpha1.EdgeRouteGuard{
		Enabled: true,
		HostNetwork: slices.ContainsFunc(in.CloudCores, func(c routes.CloudCore) bool {
			return slices.ContainsFunc(c.Addresses, func(a netip.Addr) bool { return cloudAddrs[a.String()] })
		}),
		Admitted: admitted[:min(len(admitted), maxAdmitted)],
	}
	addCore(guard, in.CloudCores)
	return guard, g.addService(ctx, guard)
}

// addCore adds CloudCore's own ports behind the gate: nobody has business there.
func addCore(guard *v1alpha1.EdgeRouteGuard, cores []routes.CloudCore) {
	var addresses []string
	for _, core := range cores {
		for _, addr := range core.Addresses {
			addresses = append(addresses, addr.String())
		}
	}
	if len(addresses) == 0 {
		return
	}
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	addresses = addresses[:min(len(addresses), maxGuardAddresses)]
	for _, port := range []int32{v1alpha1.CoreStreamPort, v1alpha1.CoreTunnelPort} {
		guard.ServicePorts = append(guard.ServicePorts, v1alpha1.EdgeRouteGuardPort{Addresses: addresses, Port: port})
	}
}

// addService adds the ports at which the stream Service opens CloudStream.
func (g *guardian) addService(ctx context.Context, guard *v1alpha1.EdgeRouteGuard) error {
	var service corev1.Service
	key := client.ObjectKey{Namespace: v1alpha1.KubeEdgeNamespace, Name: g.options.StreamService}
	if err := g.reader.Get(ctx, key, &service); err != nil {
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("get Service %s: %w", key, err)
		}
		return nil
	}
	addresses := serviceAddresses(&service)
	for _, port := range service.Spec.Ports {
		if port.Protocol != corev1.ProtocolTCP && port.Protocol != "" {
			continue
		}
		if len(addresses) > 0 {
			guard.ServicePorts = append(guard.ServicePorts, v1alpha1.EdgeRouteGuardPort{Addresses: addresses, Port: port.Port})
		}
		if port.NodePort != 0 {
			guard.NodePort = port.NodePort
		}
	}
	return nil
}

func serviceAddresses(service *corev1.Service) []string {
	all := slices.Concat(service.Spec.ClusterIPs, service.Spec.ExternalIPs)
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		all = append(all, ingress.IP)
	}
	var out []string
	for _, addr := range parseAddrs(all) {
		out = append(out, addr.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func cloudNodes(in *routes.Input) (names, addresses map[string]bool) {
	names, addresses = map[string]bool{}, map[string]bool{}
	for i := range in.Nodes {
		node := &in.Nodes[i]
		if !in.IsCloud(node) {
			continue
		}
		names[node.Name] = true
		for _, addr := range node.Addresses {
			addresses[addr] = true
		}
	}
	return names, addresses
}
