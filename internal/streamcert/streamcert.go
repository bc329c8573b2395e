// Package streamcert keeps the certificate that CloudStream serves to the
// kube-apiserver. KubeEdge needs one to start and makes none itself.
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
	pair, err := generate(namespace, now)
	if err != nil {
		return Result{}, err
	}
	secret.Data = pair.data()
	if _, err := secrets.Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return Result{}, fmt.Errorf("renew Secret %s/%s: %w", namespace, SecretName, err)
	}
	return Result{NotAfter: pair.NotAfter, Renewed: true}, nil
}

func create(ctx context.Context, client kubernetes.Interface, namespace string, now time.Time) (Result, error) {
	pair, err := generate(namespace, now)
	if err != nil {
		return Result{}, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: SecretName, Namespace: namespace,
			Labels: map[string]string{"app.kubernetes.io/part-of": "edgeway"},
		},
		Type: corev1.SecretTypeOpaque,
		Data: pair.data(),
	}
	_, err = client.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return Ensure(ctx, client, namespace, now)
	}
	if err != nil {
		return Result{}, fmt.Errorf("create Secret %s/%s: %w", namespace, SecretName, err)
	}
	return Result{NotAfter: pair.NotAfter, Created: true}, nil
}

// usable parses the certificate and asks for all three files and enough life.
func usable(secret *corev1.Secret, now time.Time) (*x509.Certificate, bool) {
	if len(secret.Data[KeyCA]) == 0 || len(secret.Data[KeyKey]) == 0 {
		return nil, false
	}
	cert, err := ParseCertificate(secret.Data[KeyCert])
	if err != nil {
		return nil, false
	}
	left, life := cert.NotAfter.Sub(now), cert.NotAfter.Sub(cert.NotBefore)
	return cert, left > life/3
}

// ParseCertificate reads the first certificate of a PEM file.
func ParseCertificate(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("no certificate in PEM data of %d bytes", len(data))
	}
	return x509.ParseCertificate(block.Bytes)
}
