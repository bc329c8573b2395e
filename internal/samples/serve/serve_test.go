package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"

	"github.com/edgeway-io/edgeway/internal/samples"
)

// authority signs client certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "front proxy"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return authority{ca, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

func (a authority) client(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// oneNode has pod shop/web-1 on node edge-1.
type oneNode struct{}

func notFound(resource, name string) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: resource}, name)
}

func (oneNode) HasNode(_ context.Context, name string) error {
	if name != "edge-1" {
		return notFound("nodes", name)
	}
	return nil
}

func (oneNode) NodeOf(_ context.Context, namespace, pod string) (string, error) {
	if namespace+"/"+pod != "shop/web-1" {
		return "", notFound("pods", pod)
	}
	return "edge-1", nil
}

func (oneNode) PodNodes(context.Context, string) (map[samples.PodKey]string, error) {
	return map[samples.PodKey]string{{Namespace: "shop", Name: "web-1"}: "edge-1"}, nil
}

type touched struct{ times atomic.Int32 }

func (c *touched) Touch(string) <-chan struct{} {
	c.times.Add(1)
	done := make(chan struct{})
	close(done)
	return done
}

// api is the served API with its rights: "viewer" everything, "dev" pods of
// namespace shop, "admin" everything by its group.
type api struct {
	*httptest.Server
	proxy     authority
	collector *touched
	reviews   atomic.Int32
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{proxy: newAuthority(t), collector: &touched{}}
	kube := fake.NewClientset(&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: frontProxyNamespace, Name: frontProxyConfig},
		Data: map[string]string{
			frontProxyCA: a.proxy.pem, "requestheader-allowed-names": `["front-proxy-client"]`,
			"requestheader-username-headers": `["X-Remote-User"]`, "requestheader-group-headers": `["X-Remote-Group"]`,
			"requestheader-extra-headers-prefix": `["X-Remote-Extra-"]`,
		},
	})
	kube.PrependReactor("create", "subjectaccessreviews", func(action ktesting.Action) (bool, runtime.Object, error) {
		a.reviews.Add(1)
		review := action.(ktesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy()
		review.Status.Allowed = mayIn(review.Spec)
		return true, review, nil
	})
	who, err := frontProxy(t.Context(), kube)
	if err != nil {
		t.Fatal(err)
	}
	store := samples.NewStore(samples.Limits{Keep: time.Hour, Points: 1000, Gap: time.Minute})
	store.Add("edge-1", samples.Point{At: time.Now().UnixMilli()}, nil, time.Now())
	a.Server = httptest.NewUnstartedServer(New(Config{
		Store: store, Trends: samples.NewTrends(time.Hour, 1000), Collector: a.collector, Cluster: oneNode{},
		Authenticator: who, Reviews: kube.AuthorizationV1().SubjectAccessReviews(), Keep: time.Hour, Log: slog.New(slog.DiscardHandler),
	}))
	a.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	a.StartTLS()
	t.Cleanup(a.Close)
	return a
}

func mayIn(s authorizationv1.SubjectAccessReviewSpec) bool {
	r := s.ResourceAttributes
	if r.Group != "metrics.k8s.io" {
		return false
	}
	switch s.User {
	case "viewer":
		return true
	case "dev":
		return r.Resource == "pods" && r.Namespace == "shop"
	}
	return len(s.Groups) == 1 && s.Groups[0] == "admins"
}

func (a *api) get(t *testing.T, path string, cert *tls.Certificate, header http.Header) (int, string) {
	t.Helper()
	client := a.Client()
	transport := client.Transport.(*http.Transport).Clone()
	if cert != nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{*cert}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func as(user string, groups ...string) http.Header {
	return http.Header{"X-Remote-User": {user}, "X-Remote-Group": groups}
}

func TestRights(t *testing.T) {
	a := newAPI(t)
	cert := a.proxy.client(t, "front-proxy-client")
	const past = "?sinceSeconds=900"
	for _, path := range []string{"/nodes", "/nodes/edge-1", "/pods", "/namespaces/shop/pods", "/namespaces/shop/pods/web-1", "/namespaces/other/pods"} {
		inShop := strings.HasPrefix(path, "/namespaces/shop/")
		for user, allowed := range map[string]bool{"viewer": true, "dev": inShop, "nobody": false, "someone/admins": true} {
			name, group, _ := strings.Cut(user, "/")
			for _, query := range []string{"", past} { // live and past figures alike
				code, body := a.get(t, samples.Path+path+query, cert, as(name, group))
				if (code == http.StatusOK) != allowed || !allowed && code != http.StatusForbidden {
					t.Errorf("%s reads %s%s: %d %s", user, path, query, code, body)
				}
			}
		}
	}
}

// Only kube-apiserver may say who asks.
func TestNobodyComesPastTheApiserver(t *testing.T) {
	a := newAPI(t)
	for name, cert := range map[string]*tls.Certificate{
		"no certificate":            nil,
		"another CA's certificate":  newAuthority(t).client(t, "front-proxy-client"),
		"another name's of that CA": a.proxy.client(t, "somebody"),
	} {
		for _, path := range []string{"", "/nodes", "/nodes/edge-1"} {
			if code, body := a.get(t, samples.Path+path, cert, as("viewer")); code != http.StatusUnauthorized {
				t.Errorf("%s: %s answered %d %s", name, path, code, body)
			}
		}
	}
	if n := a.collector.times.Load(); n != 0 {
		t.Errorf("%d nodes were sampled for strangers", n)
	}
}

func TestAnswers(t *testing.T) {
	a := newAPI(t)
	cert := a.proxy.client(t, "front-proxy-client")
	for path, tc := range map[string]struct {
		code int
		text string
	}{
		"":                                  {200, `"APIResourceList"`},
		"/nodes/edge-1":                     {200, `"kind":"NodeSamples"`},
		"/nodes/edge-1?sinceSeconds=60":     {200, `"timesMs"`},
		"/nodes/edge-1?sinceSeconds=x":      {400, "sinceSeconds"},
		"/nodes/edge-1?sinceSeconds=-1":     {400, "sinceSeconds"},
		"/nodes/edge-9":                     {404, "edge-9"},
		"/namespaces/shop/pods/web-1":       {200, `"nodeName":"edge-1"`},
		"/namespaces/shop/pods/web-9":       {404, "web-9"},
		"/namespaces/shop/pods":             {200, `"PodSamplesList"`},
		"/nodes":                            {200, `"NodeTrendList"`},
		"/namespaces/shop/pods/web-1/other": {404, ""},
	} {
		code, body := a.get(t, samples.Path+path, cert, as("viewer"))
		if code != tc.code || !strings.Contains(body, tc.text) {
			t.Errorf("%s: %d %s, want %d with %s", path, code, body, tc.code, tc.text)
		}
	}
}

// The same question within a moment is not reviewed again, and never for another user.
func TestReviewsAreRemembered(t *testing.T) {
	a := newAPI(t)
	cert := a.proxy.client(t, "front-proxy-client")
	for range 5 {
		a.get(t, samples.Path+"/nodes/edge-1", cert, as("viewer"))
	}
	if n := a.reviews.Load(); n != 1 {
		t.Errorf("%d reviews of one question", n)
	}
	if code, _ := a.get(t, samples.Path+"/nodes/edge-1", cert, as("nobody")); code != http.StatusForbidden {
		t.Errorf("another user got the answer of the first: %d", code)
	}
}

func TestForbiddenIsKubernetesStatus(t *testing.T) {
	a := newAPI(t)
	_, body := a.get(t, samples.Path+"/nodes/edge-1", a.proxy.client(t, "front-proxy-client"), as("dev"))
	var status metav1.Status
	if err := json.Unmarshal([]byte(body), &status); err != nil || status.Reason != metav1.StatusReasonForbidden || !strings.Contains(status.Message, `user "dev" cannot get resource "nodes" in API group "metrics.k8s.io"`) {
		t.Errorf("%v: %s", err, body)
	}
}
