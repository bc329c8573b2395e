package gate

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	kubeedge "github.com/edgeway-io/edgeway/internal/runtime"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// authority signs client certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// pair is a certificate with its key, in PEM.
type pair struct{ cert, key []byte }

func (p pair) write(path string) error {
	return errors.Join(os.WriteFile(path+".crt", p.cert, 0o600), os.WriteFile(path+".key", p.key, 0o600))
}

func (p pair) tls() (tls.Certificate, error) { return tls.X509KeyPair(p.cert, p.key) }

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	return &authority{parsed, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, err
}

func (a *authority) issue(name string, groups ...string) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name, Organization: groups},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.cert, key.Public(), a.key)
	if err != nil {
		return pair{}, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
	}, err
}

// deviceCert is a certificate that KubeEdge's own CA signed for a name.
func deviceCert(t testing.TB, name string) tls.Certificate {
	t.Helper()
	secret, err := w.kube.CoreV1().Secrets(v1alpha1.KubeEdgeNamespace).Get(t.Context(), "casecret", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pki.ParseCA(secret.Data["cadata"], secret.Data["cakeydata"])
	if err != nil {
		t.Fatal(err)
	}
	key, csr, err := pki.NewRequest(name)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Sign(csr, name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	out, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// applied are the kinds of the chart's objects that mean something without nodes.
var applied = map[string]bool{
	"Namespace": true, "ServiceAccount": true, "Role": true, "RoleBinding": true, "ClusterRole": true, "ClusterRoleBinding": true,
}

// applyChart creates what the chart says about rights, so that the gate runs with its
// own and no more, and what a kubeadm cluster grants the API server's client.
func (w *world) applyChart(ctx context.Context) error {
	s := settings.Default(settings.NodePort)
	s.CloudHub.AdvertiseAddress = []string{"203.0.113.7"}
	manifests, err := kubeedge.Render(s, "v1.36.3")
	if err != nil {
		return err
	}
	if err := w.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.KubeEdgeNamespace}}); err != nil {
		return err
	}
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 4096)
	byKind := map[bool][]*unstructured.Unstructured{}
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("read the chart: %w", err)
		}
		if applied[object.GetKind()] {
			first := object.GetKind() == "Namespace"
			byKind[first] = append(byKind[first], object)
		}
	}
	for _, object := range append(byKind[true], byKind[false]...) {
		if err := w.admin.Create(ctx, object); err != nil {
			return fmt.Errorf("create %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return w.admin.Create(ctx, bindingOf("kubelet-client", "system:kubelet-api-admin",
		rbacv1.Subject{Kind: "User", Name: "kube-apiserver-kubelet-client", APIGroup: rbacv1.GroupName}))
}

func bindingOf(name, role string, who rbacv1.Subject) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{who},
	}
}

// token of a ServiceAccount in namespace kubeedge.
func (w *world) token(ctx context.Context, account string) (string, error) {
	seconds := int64(3600)
	request := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	token, err := w.kube.CoreV1().ServiceAccounts(v1alpha1.KubeEdgeNamespace).CreateToken(ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return token.Status.Token, nil
}

func (w *world) kubeconfig(ctx context.Context, account string) (string, error) {
	token, err := w.token(ctx, account)
	if err != nil {
		return "", err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: w.server.Config.Host, CertificateAuthorityData: w.server.Config.CAData}
	config.AuthInfos["test"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	config.CurrentContext = "test"
	file := w.file(account + ".kubeconfig")
	return file, clientcmd.WriteToFile(*config, file)
}

// account makes a ServiceAccount with rules, none for no right, and returns a token.
func account(t testing.TB, name string, rules ...rbacv1.PolicyRule) string {
	t.Helper()
	create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.KubeEdgeNamespace}})
	if len(rules) > 0 {
		create(t, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules})
		create(t, bindingOf(name, name, rbacv1.Subject{Kind: "ServiceAccount", Name: name, Namespace: v1alpha1.KubeEdgeNamespace}))
	}
	token, err := w.token(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// nodeRule grants verbs on subresources of nodes.
func nodeRule(verb string, subresources ...string) rbacv1.PolicyRule {
	rule := rbacv1.PolicyRule{APIGroups: []string{""}, Verbs: []string{verb}}
	for _, sub := range subresources {
		rule.Resources = append(rule.Resources, "nodes/"+sub)
	}
	return rule
}
