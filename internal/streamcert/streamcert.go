// Package streamcert keeps the certificates around CloudStream: the one that is served
// to kube-apiserver, which KubeEdge needs to start and does not make itself, the one by
// which CloudCore knows the gate, and the one that devices see when they open their
// tunnel at the gate.
package streamcert

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Where the certificate lives and what depends on it.
const (
	// SecretName is the Secret in CloudCore's namespace.
	SecretName = "cloudcore-stream"
	// Keys of the Secret, which are also file names in CloudCore's pod.
	KeyCA, KeyCert, KeyKey = "streamCA.crt", "stream.crt", "stream.key"
	// KeyGateCert and KeyGateKey are the gate's client certificate towards CloudCore,
	// the only one that CloudCore's tunnel server accepts.
	KeyGateCert, KeyGateKey = "gate.crt", "gate.key"
	// CoreName is the name in CloudCore's server certificate by which the gate knows it.
	CoreName = "cloudcore-stream"
	// Deployment is restarted after a renewal: CloudCore reads the files once.
	Deployment = "cloudcore"
	// AnnotationSerial on the pod template tells which certificate the pods read.
	AnnotationSerial = "edgeway.io/stream-cert"
)

// Result says what Ensure found or did.
type Result struct {
	// NotAfter of the certificate that is in place now.
	NotAfter time.Time
	// Created and Renewed tell a first certificate from a replacement.
	Created, Renewed bool
}

// Ensure makes the certificate when there is none, when it is broken, and when
// a third of its life or less is left. It is safe to call from several
// processes at once: the first write wins, the others take what it wrote.
func Ensure(ctx context.Context, client kubernetes.Interface, namespace string, now time.Time) (Result, error) {
	secrets := client.CoreV1().Secrets(namespace)
	secret, err := secrets.Get(ctx, SecretName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return create(ctx, client, namespace, now)
	case err != nil:
		return Result{}, fmt.Errorf("read Secret %s/%s: %w", namespace, SecretName, err)
	}
	if cert, ok := usable(secret, now); ok {
		return Result{NotAfter: cert.NotAfter}, nil
	}
	made, err := generate(namespace, now)
	if err != nil {
		return Result{}, err
	}
	secret.Data = made.data()
	if _, err := secrets.Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return Result{}, fmt.Errorf("renew Secret %s/%s: %w", namespace, SecretName, err)
	}
	return Result{NotAfter: made.NotAfter, Renewed: true}, nil
}

func create(ctx context.Context, client kubernetes.Interface, namespace string, now time.Time) (Result, error) {
	made, err := generate(namespace, now)
	if err != nil {
		return Result{}, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: SecretName, Namespace: namespace,
			Labels: map[string]string{"app.kubernetes.io/part-of": "edgeway"},
		},
		Type: corev1.SecretTypeOpaque,
		Data: made.data(),
	}
	_, err = client.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return Ensure(ctx, client, namespace, now)
	}
	if err != nil {
		return Result{}, fmt.Errorf("create Secret %s/%s: %w", namespace, SecretName, err)
	}
	return Result{NotAfter: made.NotAfter, Created: true}, nil
}

// usable parses the certificate and asks for all files and enough life. A Secret from
// before there was a gate lacks the gate's.
func usable(secret *corev1.Secret, now time.Time) (*x509.Certificate, bool) {
	for _, key := range []string{KeyCA, KeyKey, KeyGateCert, KeyGateKey} {
		if len(secret.Data[key]) == 0 {
			return nil, false
		}
	}
	cert, err := ParseCertificate(secret.Data[KeyCert])
	if err != nil {
		return nil, false
	}
	return cert, fresh(cert, now)
}

// fresh says whether more than a third of a certificate's life is left.
func fresh(cert *x509.Certificate, now time.Time) bool {
	left, life := cert.NotAfter.Sub(now), cert.NotAfter.Sub(cert.NotBefore)
	return left > life/3
}

// ParseCertificate reads the first certificate of a PEM file.
func ParseCertificate(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("no certificate in PEM data of %d bytes", len(data))
	}
	return x509.ParseCertificate(block.Bytes)
}
