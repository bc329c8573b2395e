package secrets_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/secrets"
	"github.com/edgeway-io/edgeway/sandbox/standin/token"
)

func TestSecretsAreMadeOnceAndKept(t *testing.T) {
	ctx := context.Background()
	client := fake.NewClientset().CoreV1().Secrets("kubeedge")
	store := secrets.NewStore(client)
	ca, err := store.CA(ctx)
	if err != nil {
		t.Fatal(err)
	}
	server, err := store.Server(ctx, ca, []net.IP{net.IPv4(198, 18, 0, 2)}, []string{"cloud.example"})
	if err != nil {
		t.Fatal(err)
	}
	// Another CloudCore, or this one after a restart, with another address.
	other := secrets.NewStore(client)
	again, err := other.CA(ctx)
	if err != nil || !bytes.Equal(again.Cert, ca.Cert) || !bytes.Equal(again.Key, ca.Key) {
		t.Errorf("the CA was made anew: %v", err)
	}
	kept, err := other.Server(ctx, again, []net.IP{net.IPv4(198, 18, 0, 9)}, nil)
	if err != nil || !bytes.Equal(kept.Cert, server.Cert) {
		t.Errorf("the server certificate was made anew: %v", err)
	}
	cert, err := server.TLS()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"198.18.0.2", "cloud.example"} {
		if err := cert.Leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if err := store.RenewToken(ctx, ca, time.Hour); err != nil {
		t.Fatal(err)
	}
	checkToken(t, client.Get, ca.Cert, ca.Key)
}

type getter func(context.Context, string, metav1.GetOptions) (*corev1.Secret, error)

func checkToken(t *testing.T, get getter, caCert, caKey []byte) {
	t.Helper()
	secret, err := get(context.Background(), "tokensecret", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := token.Split(string(secret.Data["tokendata"]), caCert)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Verify(signed, caKey); err != nil {
		t.Error(err)
	}
}

func TestBrokenSecretIsNamed(t *testing.T) {
	client := fake.NewClientset(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "casecret", Namespace: "kubeedge"}}).CoreV1().Secrets("kubeedge")
	_, err := secrets.NewStore(client).CA(context.Background())
	if err == nil || !strings.Contains(err.Error(), "casecret") || !strings.Contains(err.Error(), "delete the Secret") {
		t.Errorf("got %v, want the Secret's name and the remedy", err)
	}
}
