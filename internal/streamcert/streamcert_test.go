package streamcert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"log/slog"
)

const namespace = "kubeedge"

func TestEnsureMakesAWorkingCertificate(t *testing.T) {
	ctx, now := context.Background(), time.Now()
	kube := fake.NewClientset()
	result, err := Ensure(ctx, kube, namespace, now)
	if err != nil {
		t.Fatal(err)
	}
	if !result.Created || result.Renewed {
		t.Errorf("first call: %+v, want created", result)
	}
	secret, err := kube.CoreV1().Secrets(namespace).Get(ctx, SecretName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(secret.Data[KeyCert], secret.Data[KeyKey]); err != nil {
		t.Errorf("certificate and key do not fit: %v", err)
	}
	cert, err := ParseCertificate(secret.Data[KeyCert])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(secret.Data[KeyCA])
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: "cloudcore-stream.kubeedge.svc", CurrentTime: now}); err != nil {
		t.Errorf("not signed by its CA: %v", err)
	}
	if _, err := tls.X509KeyPair(secret.Data[KeyGateCert], secret.Data[KeyGateKey]); err != nil {
		t.Errorf("the gate's certificate and key do not fit: %v", err)
	}
	gate, err := ParseCertificate(secret.Data[KeyGateCert])
	if err != nil {
		t.Fatal(err)
	}
	client := x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := gate.Verify(client); err != nil {
		t.Errorf("the gate is no client of this CA: %v", err)
	}
	if _, err := cert.Verify(client); err == nil {
		t.Error("the server's certificate is good for a client of the tunnel server")
	}
}

func TestEnsureKeepsAndRenews(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name    string
		after   time.Duration
		damage  string
		renewed bool
	}{
		{name: "fresh", after: time.Hour},
		{name: "half its life left", after: lifetime / 2},
		{name: "a quarter left", after: lifetime * 3 / 4, renewed: true},
		{name: "expired", after: lifetime * 2, renewed: true},
		{name: "key missing", after: time.Hour, damage: KeyKey, renewed: true},
		{name: "CA missing", after: time.Hour, damage: KeyCA, renewed: true},
		{name: "certificate missing", after: time.Hour, damage: KeyCert, renewed: true},
		{name: "from before there was a gate", after: time.Hour, damage: KeyGateCert, renewed: true},
		{name: "the gate's key missing", after: time.Hour, damage: KeyGateKey, renewed: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx := context.Background()
			client := fake.NewClientset()
			if _, err := Ensure(ctx, client, namespace, start); err != nil {
				t.Fatal(err)
			}
			secrets := client.CoreV1().Secrets(namespace)
			before, err := secrets.Get(ctx, SecretName, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if tc.damage != "" {
				delete(before.Data, tc.damage)
				if _, err := secrets.Update(ctx, before, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			result, err := Ensure(ctx, client, namespace, start.Add(tc.after))
			if err != nil {
				t.Fatal(err)
			}
			if result.Renewed != tc.renewed {
				t.Errorf("renewed = %v, want %v", result.Renewed, tc.renewed)
			}
			if tc.renewed && !result.NotAfter.After(start.Add(tc.after)) {
				t.Errorf("renewed certificate ends %v, which is past", result.NotAfter)
			}
		})
	}
}

func TestRenewerRestartsCloudCore(t *testing.T) {
	ctx := context.Background()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	client := fake.NewClientset(&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: Deployment, Namespace: namespace}})
	r := NewRenewer(client, namespace, nil, slog.New(slog.DiscardHandler))
	annotation := func() string {
		d, err := client.AppsV1().Deployments(namespace).Get(ctx, Deployment, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return d.Spec.Template.Annotations[AnnotationSerial]
	}
	for _, step := range []struct {
		at        time.Duration
		restarted bool
	}{{0, false}, {lifetime / 2, false}, {lifetime, true}} {
		r.now = func() time.Time { return start.Add(step.at) }
		before := annotation()
		if err := r.once(ctx); err != nil {
			t.Fatal(err)
		}
		if restarted := annotation() != before; restarted != step.restarted {
			t.Errorf("after %v: restarted = %v, want %v", step.at, restarted, step.restarted)
		}
	}
}
