package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/samples"
	"github.com/edgeway-io/edgeway/internal/streamcert"
)

const (
	// ServiceName is the chart's Service without a selector: its only endpoint is the
	// replica that holds the lease, which is the one that samples.
	ServiceName = "edge-watcher-samples"
	portName    = "https"
	apiService  = "/apis/apiregistration.k8s.io/v1/apiservices/" + samples.Version + "." + samples.Group
)

// publisher tells the apiserver where the leader is and which CA signed its
// certificate. The certificate lives in memory only: a new leader has a new one.
type publisher struct {
	kube    kubernetes.Interface
	address netip.Addr
	port    int32
	now     func() time.Time
	pair    atomic.Pointer[served]
}

type served struct {
	cert     tls.Certificate
	ca       []byte
	notAfter time.Time
	lifetime time.Duration
}

func newPublisher(kube kubernetes.Interface, address netip.Addr, port int32, now func() time.Time) (*publisher, error) {
	p := &publisher{kube: kube, address: address, port: port, now: now}
	first, err := p.generate()
	if err != nil {
		return nil, err
	}
	p.pair.Store(first)
	return p, nil
}

func (p *publisher) generate() (*served, error) {
	now := p.now()
	name := ServiceName + "." + v1alpha1.KubeEdgeNamespace + ".svc"
	pair, err := streamcert.Generate("edgeway samples CA", ServiceName, []string{name, name + ".cluster.local"}, now)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	return &served{cert: cert, ca: pair.CA, notAfter: pair.NotAfter, lifetime: pair.NotAfter.Sub(now)}, nil
}

func (p *publisher) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return &p.pair.Load().cert, nil
}

// once makes the cluster's objects say what is so, and renews the certificate after
// two thirds of its life: the new CA is made known before it is used.
func (p *publisher) once(ctx context.Context) error {
	current := p.pair.Load()
	bundle := current.ca
	var next *served
	if current.notAfter.Sub(p.now()) < current.lifetime/3 {
		var err error
		if next, err = p.generate(); err != nil {
			return err
		}
		bundle = append(append([]byte{}, current.ca...), next.ca...)
	}
	if err := p.endpoint(ctx); err != nil {
		return err
	}
	if err := p.caBundle(ctx, bundle); err != nil {
		return err
	}
	if next != nil {
		p.pair.Store(next)
	}
	return nil
}

// caBundle patches only that field: the APIService is the chart's.
func (p *publisher) caBundle(ctx context.Context, bundle []byte) error {
	rest := p.kube.CoreV1().RESTClient()
	raw, err := rest.Get().AbsPath(apiService).Do(ctx).Raw()
	if err != nil {
		return fmt.Errorf("read APIService %s.%s: %w", samples.Version, samples.Group, err)
	}
	var have struct {
		Spec struct {
			CABundle []byte `json:"caBundle"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(raw, &have); err != nil {
		return fmt.Errorf("read APIService %s.%s: %w", samples.Version, samples.Group, err)
	}
	if bytes.Equal(have.Spec.CABundle, bundle) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"caBundle": bundle}})
	if err != nil {
		return err
	}
	if err := rest.Patch(types.MergePatchType).AbsPath(apiService).Body(patch).Do(ctx).Error(); err != nil {
		return fmt.Errorf("write the CA to APIService %s.%s: %w", samples.Version, samples.Group, err)
	}
	return nil
}

// endpoint makes this replica the Service's only one.
func (p *publisher) endpoint(ctx context.Context) error {
	slices := p.kube.DiscoveryV1().EndpointSlices(v1alpha1.KubeEdgeNamespace)
	want, err := p.slice(ctx)
	if err != nil {
		return err
	}
	have, err := slices.Get(ctx, ServiceName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = slices.Create(ctx, want, metav1.CreateOptions{})
	case err == nil && have.AddressType != want.AddressType:
		// The type cannot be changed; the next round makes it anew.
		err = slices.Delete(ctx, ServiceName, metav1.DeleteOptions{})
	case err == nil && !sameEndpoint(have, want):
		want.ResourceVersion = have.ResourceVersion
		_, err = slices.Update(ctx, want, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("write EndpointSlice %s/%s: %w", v1alpha1.KubeEdgeNamespace, ServiceName, err)
	}
	return nil
}

func (p *publisher) slice(ctx context.Context) (*discoveryv1.EndpointSlice, error) {
	service, err := p.kube.CoreV1().Services(v1alpha1.KubeEdgeNamespace).Get(ctx, ServiceName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read Service %s/%s: %w", v1alpha1.KubeEdgeNamespace, ServiceName, err)
	}
	family := discoveryv1.AddressTypeIPv4
	if p.address.Is6() {
		family = discoveryv1.AddressTypeIPv6
	}
	name, protocol, ready := portName, corev1.ProtocolTCP, true
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name: ServiceName, Namespace: v1alpha1.KubeEdgeNamespace,
			Labels: map[string]string{
				discoveryv1.LabelServiceName: ServiceName, discoveryv1.LabelManagedBy: "edge-watcher.edgeway.io",
				"app.kubernetes.io/part-of": "edgeway",
			},
			// It goes when the chart's Service goes.
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Service", Name: service.Name, UID: service.UID}},
		},
		AddressType: family,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{p.address.String()}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &p.port, Protocol: &protocol}},
	}, nil
}

func sameEndpoint(a, b *discoveryv1.EndpointSlice) bool {
	return len(a.Endpoints) == 1 && len(a.Endpoints[0].Addresses) == 1 && len(a.Ports) == 1 && a.Ports[0].Port != nil &&
		a.Endpoints[0].Addresses[0] == b.Endpoints[0].Addresses[0] && *a.Ports[0].Port == *b.Ports[0].Port &&
		len(a.OwnerReferences) == 1 && a.OwnerReferences[0].UID == b.OwnerReferences[0].UID
}
