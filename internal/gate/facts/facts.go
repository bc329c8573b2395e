package facts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/streamcert"
)

// Facts follows the cluster once it is run.
type Facts struct {
	names     *names
	addresses *addresses
	identity  *identity
	authority *authority

	nodes       *table[string]
	enrollments *table[enrollee]
	slices      *table[[]route]
	secret, ca  *table[corev1.Secret]
	sources     sources
}

// sources are where the objects come from.
type sources struct {
	nodes, enrollments, slices, secret, ca cache.ListerWatcher
}

// New returns Facts about the cluster of config. changed hears of every name of which
// Check may say something else than before.
func New(config *rest.Config, transport *http.Client, log *slog.Logger, changed func(node string)) (*Facts, error) {
	from, err := newSources(config, transport)
	if err != nil {
		return nil, fmt.Errorf("make clients: %w", err)
	}
	f := &Facts{names: newNames(), addresses: newAddresses(), identity: &identity{log: log}, authority: &authority{log: log}, sources: from}
	f.names.changed = changed
	f.nodes = newTable("edge nodes", readEdgeNode, f.names.setEdgeNode)
	f.enrollments = newTable("enrollments", readEnrollee, f.names.setEnrollee)
	f.slices = newTable("routes", readRoutes, f.addresses.set)
	f.secret = newTable("certificates for devices", readSecret, f.identity.set)
	f.ca = newTable("KubeEdge's CA", readSecret, f.authority.set)
	return f, nil
}

// Run follows the cluster until ctx ends.
func (f *Facts) Run(ctx context.Context) {
	go f.nodes.follow(ctx, f.sources.nodes, &metav1.PartialObjectMetadata{})
	go f.enrollments.follow(ctx, f.sources.enrollments, &v1alpha1.EdgeEnrollment{})
	go f.slices.follow(ctx, f.sources.slices, &v1alpha1.EdgeRouteSlice{})
	go f.ca.follow(ctx, f.sources.ca, &corev1.Secret{})
	f.secret.follow(ctx, f.sources.secret, &corev1.Secret{})
}

// WaitForSync returns once everything is known but the certificates for devices and
// KubeEdge's CA, which a first CloudCore has to start for.
func (f *Facts) WaitForSync(ctx context.Context) error {
	return errors.Join(f.nodes.waitForSync(ctx), f.enrollments.waitForSync(ctx), f.slices.waitForSync(ctx))
}

// Check returns why a name may have no connection: ErrUnknown, ErrRevoked or ErrRetired.
func (f *Facts) Check(node string) error { return f.names.check(node) }

// CheckToken returns why a name may get no certificate by a join token: ErrEnrolled, or
// what Check says.
func (f *Facts) CheckToken(node string) error { return f.names.checkToken(node) }

// Node that a routed address belongs to.
func (f *Facts) Node(addr netip.Addr) (string, bool) { return f.addresses.node(addr) }

// Address that is routed for a node.
func (f *Facts) Address(node string) (netip.Addr, bool) { return f.addresses.address(node) }

// DeviceTLS is what devices are served with at a door.
func (f *Facts) DeviceTLS(door Door) *tls.Config {
	return &tls.Config{GetConfigForClient: f.identity.config(door), MinVersion: tls.VersionTLS12}
}

// Ready returns why no device is let in yet.
func (f *Facts) Ready() error {
	if f.identity.current.Load() == nil {
		return errNoIdentity
	}
	if f.authority.current.Load() == nil {
		return errNoCA
	}
	return nil
}

// VerifyDevice returns why a certificate is not from KubeEdge's CA, or not a client's.
func (f *Facts) VerifyDevice(cert *x509.Certificate) error { return f.identity.verify(cert) }

// ToHub is what CloudHub is dialed with in a node's name, for one connection; with no
// name when node is empty.
func (f *Facts) ToHub(node string, protocols ...string) (*tls.Config, error) {
	return f.authority.toHub(node, protocols...)
}

func newSources(config *rest.Config, transport *http.Client) (sources, error) {
	nodes, err := metadata.NewForConfigAndClient(metadata.ConfigFor(config), transport)
	if err != nil {
		return sources{}, err
	}
	ours, err := ourClient(config, transport)
	if err != nil {
		return sources{}, err
	}
	kube, err := kubernetes.NewForConfigAndClient(config, transport)
	if err != nil {
		return sources{}, err
	}
	secret := func(name string) cache.ListerWatcher {
		return cache.NewListWatchFromClient(kube.CoreV1().RESTClient(), "secrets", v1alpha1.KubeEdgeNamespace, fields.OneTermEqualSelector("metadata.name", name))
	}
	edge := nodes.Resource(corev1.SchemeGroupVersion.WithResource("nodes"))
	return sources{
		nodes: &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				o.LabelSelector = v1alpha1.LabelEdge
				return edge.List(ctx, o)
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				o.LabelSelector = v1alpha1.LabelEdge
				return edge.Watch(ctx, o)
			},
		},
		enrollments: cache.NewListWatchFromClient(ours, "edgeenrollments", v1alpha1.JoinNamespace, fields.Everything()),
		slices:      cache.NewListWatchFromClient(ours, "edgerouteslices", metav1.NamespaceAll, fields.Everything()),
		secret:      secret(streamcert.GateSecretName),
		ca:          secret(streamcert.CASecretName),
	}, nil
}

// ourClient reads objects of group edgeway.io.
func ourClient(config *rest.Config, transport *http.Client) (*rest.RESTClient, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.GroupVersion = &v1alpha1.GroupVersion
	config.APIPath = "/apis"
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	return rest.RESTClientForConfigAndClient(config, transport)
}
