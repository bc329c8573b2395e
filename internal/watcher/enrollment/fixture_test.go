package enrollment

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/pki"
)

// site is a cluster with a clock that stands still until a test moves it.
type site struct {
	t   *testing.T
	c   client.Client
	r   *Reconciler
	now time.Time
	// log and summary are what comes back through the tunnel.
	log, summary string
}

func newSite(t *testing.T, objects ...client.Object) *site {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s := &site{t: t, now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	s.c = fake.NewClientBuilder().WithScheme(scheme).
		WithStatusSubresource(&v1alpha1.EdgeEnrollment{}, &corev1.Node{}, &corev1.Pod{}).
		WithIndex(&v1alpha1.EdgeEnrollment{}, IndexNodeName, NodeNameOf).
		WithIndex(&corev1.Event{}, "involvedObject.kind", func(o client.Object) []string { return []string{o.(*corev1.Event).InvolvedObject.Kind} }).
		WithIndex(&corev1.Event{}, "involvedObject.name", func(o client.Object) []string { return []string{o.(*corev1.Event).InvolvedObject.Name} }).
		WithIndex(&corev1.Event{}, "reason", func(o client.Object) []string { return []string{o.(*corev1.Event).Reason} }).
		WithIndex(&v1alpha1.EdgeEnrollment{}, IndexReserved, ReservedBy).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).
		WithObjects(append(append(objects, caObject(t), tunnelRecord()), issuedObjects()...)...).
		WithInterceptorFuncs(interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			o.SetCreationTimestamp(metav1.NewTime(s.now)) // as an apiserver does
			return c.Create(ctx, o, opts...)
		}}).Build()
	s.r = NewReconciler(s.c, s.c, s.apiserver(), (*edgeKubelets)(s), Options{ProbeImage: "probe", Now: func() time.Time { return s.now },
		ServiceCIDRs: func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")} }})
	return s
}

// edgeKubelets answers for the kubelets of edge nodes.
type edgeKubelets site

func (s *edgeKubelets) Get(_ context.Context, _, path string) ([]byte, error) {
	if path != "stats/summary" {
		return nil, fmt.Errorf("nobody asks for %s", path)
	}
	return []byte(s.summary), nil
}

// apiserver answers the request for a log.
func (s *site) apiserver() rest.Interface {
	s.t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/edgeway-join/pods/{pod}/log", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s.log) })
	server := httptest.NewServer(mux)
	s.t.Cleanup(server.Close)
	c, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		s.t.Fatal(err)
	}
	return c.CoreV1().RESTClient()
}

func caObject(t *testing.T) client.Object {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "KubeEdge"}, NotBefore: time.Unix(0, 0),
		NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "kubeedge", Name: "casecret"}, Data: map[string][]byte{"cadata": cert, "cakeydata": der}}
}

func issuedObjects() []client.Object {
	var out []client.Object
	for shard := range IssuedShards {
		out = append(out, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kubeedge", Name: IssuedName(shard)}})
	}
	return out
}

func tunnelRecord() client.Object {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kubeedge", Name: "tunnelport",
		Annotations: map[string]string{v1alpha1.TunnelPortAnnotation: `{"ipTunnelPort":{"10.0.0.5":10351},"port":{"10351":true}}`}}}
}

// enrollment as the console creates it.
func (s *site) enrollment(name, node, ip string, change func(*v1alpha1.EdgeEnrollment)) *v1alpha1.EdgeEnrollment {
	e := &v1alpha1.EdgeEnrollment{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.JoinNamespace, Name: name, UID: types.UID("uid-of-" + name)},
		Spec: v1alpha1.EdgeEnrollmentSpec{NodeName: node, Arch: "amd64", NodeIP: ip, CodeHash: enroll.HashCode(name),
			CloudCore: v1alpha1.CloudCoreAddress{Host: "198.18.0.2", WebSocketPort: 31000, CertPort: 31002, TunnelPort: 31004},
			Labels:    enroll.DefaultLabels(), Taints: enroll.DefaultTaints(), Components: enroll.DefaultComponents(), State: v1alpha1.StateActive},
	}
	if change != nil {
		change(e)
	}
	if err := s.c.Create(s.t.Context(), e); err != nil {
		s.t.Fatal(err)
	}
	return e
}

// run reconciles until nothing changes any more and returns the enrollment.
func (s *site) run(name string) *v1alpha1.EdgeEnrollment {
	s.t.Helper()
	key := client.ObjectKey{Namespace: v1alpha1.JoinNamespace, Name: name}
	for range 10 {
		var before, after v1alpha1.EdgeEnrollment
		s.get(key, &before)
		if _, err := s.r.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
			s.t.Fatal(err)
		}
		s.get(key, &after)
		if before.ResourceVersion == after.ResourceVersion {
			return &after
		}
	}
	s.t.Fatal("the enrollment does not come to rest")
	return nil
}

func (s *site) get(key client.ObjectKey, o client.Object) {
	s.t.Helper()
	if err := s.c.Get(s.t.Context(), key, o); err != nil {
		s.t.Fatal(err)
	}
}

// register does what EdgeCore and CloudCore do.
func (s *site) register(name, ip string, change func(*corev1.Node)) {
	s.t.Helper()
	n := node(name, ip, change)
	err := s.c.Create(s.t.Context(), n)
	if apierrors.IsAlreadyExists(err) {
		err = s.arrive(name, ip, change)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// arrive is what EdgeCore does with a Node that exists: it reports the status, and
// KubeEdge adds labels and annotations.
func (s *site) arrive(name, ip string, change func(*corev1.Node)) error {
	var n corev1.Node
	s.get(client.ObjectKey{Name: name}, &n)
	device := node(name, ip, change)
	maps.Copy(n.Labels, device.Labels)
	maps.Copy(n.Annotations, device.Annotations)
	n.Spec.Taints = append(n.Spec.Taints, device.Spec.Taints...)
	if err := s.c.Update(s.t.Context(), &n); err != nil {
		return err
	}
	n.Status = device.Status
	n.Status.NodeInfo.KubeletVersion = "v1.32.10-kubeedge-v1.23.1"
	return s.c.Status().Update(s.t.Context(), &n)
}

func node(name, ip string, change func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelEdge: ""}, Annotations: map[string]string{}},
		Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: ip}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: 10350}}}}
	if change != nil {
		change(n)
	}
	return n
}

func (s *site) setStatus(name string, change func(*corev1.Node)) {
	s.t.Helper()
	var n corev1.Node
	s.get(client.ObjectKey{Name: name}, &n)
	change(&n)
	if err := s.c.Status().Update(s.t.Context(), &n); err != nil {
		s.t.Fatal(err)
	}
}

func ready(n *corev1.Node) {
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
}

func tunnelled(n *corev1.Node) { n.Status.DaemonEndpoints.KubeletEndpoint.Port = 10351 }

// redeem puts the device's request where code redemption puts it.
func (s *site) redeem(name string) {
	s.t.Helper()
	var e v1alpha1.EdgeEnrollment
	s.get(client.ObjectKey{Namespace: v1alpha1.JoinNamespace, Name: name}, &e)
	_, csr, err := pki.NewRequest(e.Spec.NodeName)
	if err != nil {
		s.t.Fatal(err)
	}
	e.Status.CSR, e.Status.Phase = csr, v1alpha1.PhaseCodeUsed
	if err := s.c.Status().Update(s.t.Context(), &e); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) probes() []corev1.Pod {
	s.t.Helper()
	var list corev1.PodList
	if err := s.c.List(s.t.Context(), &list, client.InNamespace(v1alpha1.JoinNamespace)); err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}
