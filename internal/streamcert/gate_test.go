package streamcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// caSecret is KubeEdge's CA as CloudCore stores it.
func caSecret(t *testing.T) *corev1.Secret {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "KubeEdge"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * lifetime), KeyUsage: x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: CASecretName, Namespace: namespace},
		Data:       map[string][]byte{caCertKey: cert, caKeyKey: keyDER},
	}
}

func TestEnsureGate(t *testing.T) {
	ctx, now := t.Context(), time.Now()
	client := fake.NewClientset()
	hosts := []string{"203.0.113.7", "lb.example.com", "2001:DB8::1"}
	if _, err := EnsureGate(ctx, client, namespace, hosts, now); !errors.Is(err, ErrNoCA) {
		t.Fatalf("without a CA: %v, want ErrNoCA", err)
	}
	kubeedge := caSecret(t)
	if _, err := client.CoreV1().Secrets(namespace).Create(ctx, kubeedge, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name             string
		hosts            []string
		at               time.Time
		before           func()
		created, renewed bool
	}{
		{name: "first", hosts: hosts, at: now, created: true},
		{name: "again", hosts: []string{"lb.example.com", "2001:db8::1", "203.0.113.7"}, at: now},
		{name: "another address", hosts: hosts[:2], at: now, renewed: true},
		{name: "a quarter of its life left", hosts: hosts[:2], at: now.Add(lifetime * 3 / 4), renewed: true},
		{name: "another CA", hosts: hosts[:2], at: now, renewed: true, before: func() {
			kubeedge = caSecret(t)
			if _, err := client.CoreV1().Secrets(namespace).Update(ctx, kubeedge, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		if step.before != nil {
			step.before()
		}
		got, err := EnsureGate(ctx, client, namespace, step.hosts, step.at)
		if err != nil || got.Created != step.created || got.Renewed != step.renewed {
			t.Fatalf("%s: %+v, %v", step.name, got, err)
		}
		secret, err := client.CoreV1().Secrets(namespace).Get(ctx, GateSecretName, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		roots := x509.NewCertPool()
		if ca, err := x509.ParseCertificate(kubeedge.Data[caCertKey]); err == nil {
			roots.AddCert(ca)
		}
		for _, host := range step.hosts {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: step.at}); err != nil {
				t.Errorf("%s: as %s: %v", step.name, host, err)
			}
		}
		if len(secret.Data) != 3 {
			t.Errorf("%s: the Secret holds more than certificate, key and CA", step.name)
		}
	}
}
