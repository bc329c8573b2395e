// Package secrets keeps CloudCore's CA, its own certificate and the join token in
// the Secrets where KubeEdge's tools look for them.
package secrets

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/edgeway-io/edgeway/sandbox/standin/pki"
	"github.com/edgeway-io/edgeway/sandbox/standin/token"
)

// The Secrets and their keys.
const (
	CASecret     = "casecret"
	CACert       = "cadata"
	CAKey        = "cakeydata"
	ServerSecret = "cloudcoresecret"
	ServerCert   = "cloudcoredata"
	ServerKey    = "cloudcorekeydata"
	TokenSecret  = "tokensecret"
	TokenData    = "tokendata"
)

// owner is the name in the certificates that KubeEdge issues for itself.
const owner = "KubeEdge"

// Store reads and writes the Secrets of CloudCore's namespace.
type Store struct {
	client typed.SecretInterface
}

// NewStore makes a store on the Secrets of one namespace.
func NewStore(client typed.SecretInterface) *Store { return &Store{client: client} }

// CA gives the CA and makes it when there is none. With several CloudCores
// starting together the first one's is used by all.
func (s *Store) CA(ctx context.Context) (pki.Pair, error) {
	return s.ensure(ctx, CASecret, CACert, CAKey, func() (pki.Pair, error) { return pki.NewCA(owner) })
}

// SaveCA puts a CA that came from files where the others look for it.
func (s *Store) SaveCA(ctx context.Context, ca pki.Pair) error {
	return s.put(ctx, CASecret, map[string][]byte{CACert: ca.Cert, CAKey: ca.Key})
}

// Server gives CloudCore's server certificate and makes it when there is none.
// Like the real one it keeps the names of the first start: for others the Secret
// has to be deleted.
func (s *Store) Server(ctx context.Context, ca pki.Pair, ips []net.IP, names []string) (pki.Pair, error) {
	return s.ensure(ctx, ServerSecret, ServerCert, ServerKey, func() (pki.Pair, error) {
		return ca.Issue(pki.Request{
			CommonName:   owner,
			Organization: []string{owner},
			IPs:          ips,
			DNSNames:     names,
			Usages:       []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			Life:         pki.Century,
		})
	})
}

// RenewToken publishes a new join token that is good for life.
func (s *Store) RenewToken(ctx context.Context, ca pki.Pair, life time.Duration) error {
	t, err := token.New(ca.Cert, ca.Key, life)
	if err != nil {
		return err
	}
	return s.put(ctx, TokenSecret, map[string][]byte{TokenData: []byte(t)})
}

func (s *Store) ensure(ctx context.Context, name, cert, key string, create func() (pki.Pair, error)) (pki.Pair, error) {
	secret, err := s.client.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		pair, err := create()
		if err != nil {
			return pki.Pair{}, err
		}
		secret, err = s.client.Create(ctx, newSecret(name, map[string][]byte{cert: pair.Cert, key: pair.Key}), metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			secret, err = s.client.Get(ctx, name, metav1.GetOptions{})
		}
		if err != nil {
			return pki.Pair{}, fmt.Errorf("create Secret %s: %w", name, err)
		}
	} else if err != nil {
		return pki.Pair{}, fmt.Errorf("read Secret %s: %w", name, err)
	}
	pair := pki.Pair{Cert: secret.Data[cert], Key: secret.Data[key]}
	if _, err := pair.TLS(); err != nil {
		return pki.Pair{}, fmt.Errorf("Secret %s, keys %s and %s: %w; delete the Secret and restart CloudCore to have a new one", name, cert, key, err)
	}
	return pair, nil
}

func (s *Store) put(ctx context.Context, name string, data map[string][]byte) error {
	_, err := s.client.Create(ctx, newSecret(name, data), metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = s.client.Update(ctx, newSecret(name, data), metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("write Secret %s: %w", name, err)
	}
	return nil
}

func newSecret(name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: data, Type: corev1.SecretTypeOpaque}
}
