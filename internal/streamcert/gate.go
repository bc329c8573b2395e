package streamcert

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/edgeway-io/edgeway/internal/enroll/pki"
)

// GateSecretName is the Secret in CloudCore's namespace with what the gate meets
// devices with: tls.crt and tls.key, signed by KubeEdge's CA, and that CA's certificate
// as ca.crt. The CA's key stays in CloudCore's own Secret.
const GateSecretName = "stream-gate"

// CASecretName is the Secret in which CloudCore keeps its CA, both parts DER.
const CASecretName = "casecret"

const (
	caCertKey = "cadata"
	caKeyKey  = "cakeydata"

	// The Secret with CloudCore's own certificate for devices, DER.
	coreSecretName = "cloudcoresecret"
	coreCertKey    = "cloudcoredata"
)

// ErrNoCA says that CloudCore has not made its CA yet.
var ErrNoCA = errors.New("KubeEdge has no CA yet")

// EnsureGate makes the gate's certificate for devices, which dial hosts or the names in
// CloudCore's own certificate, when there is none, when CA or hosts changed, and when a third of its life or less is left. The
// gate takes a new one in without a restart.
func EnsureGate(ctx context.Context, client kubernetes.Interface, namespace string, hosts []string, now time.Time) (Result, error) {
	secrets := client.CoreV1().Secrets(namespace)
	kubeedge, err := secrets.Get(ctx, CASecretName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Result{}, fmt.Errorf("%w: Secret %s/%s appears once CloudCore has started", ErrNoCA, namespace, CASecretName)
	} else if err != nil {
		return Result{}, fmt.Errorf("read Secret %s/%s: %w", namespace, CASecretName, err)
	}
	ca, err := ParseCASecret(kubeedge)
	if err != nil {
		return Result{}, err
	}
	own, err := coreHosts(ctx, client, namespace)
	if err != nil {
		return Result{}, err
	}
	hosts = canonical(slices.Concat(hosts, own))
	secret, err := secrets.Get(ctx, GateSecretName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		secret = nil
	} else if err != nil {
		return Result{}, fmt.Errorf("read Secret %s/%s: %w", namespace, GateSecretName, err)
	} else if cert, ok := gateUsable(secret, ca.PEM(), hosts, now); ok {
		return Result{NotAfter: cert.NotAfter}, nil
	}
	return writeGate(ctx, secrets, secret, ca, hosts, now)
}

// ParseCASecret reads KubeEdge's CA from its Secret.
func ParseCASecret(secret *corev1.Secret) (*pki.CA, error) {
	ca, err := pki.ParseCA(secret.Data[caCertKey], secret.Data[caKeyKey])
	if err != nil {
		return nil, fmt.Errorf("read Secret %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	return ca, nil
}

// coreHosts are the names in CloudCore's own certificate, which CloudCore made at its
// first start: devices that joined before an address changed verify these.
func coreHosts(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error) {
	secret, err := client.CoreV1().Secrets(namespace).Get(ctx, coreSecretName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read Secret %s/%s: %w", namespace, coreSecretName, err)
	}
	cert, err := x509.ParseCertificate(secret.Data[coreCertKey])
	if err != nil {
		return nil, nil // CloudCore does not start with it, and says so
	}
	return certHosts(cert), nil
}

// writeGate signs a certificate and stores it in place of before, which may be nil.
func writeGate(ctx context.Context, secrets typedcorev1.SecretInterface, before *corev1.Secret, ca *pki.CA, hosts []string, now time.Time) (Result, error) {
	cert, key, err := ca.SignServer(GateSecretName, hosts, now)
	if err != nil {
		return Result{}, err
	}
	made, err := ParseCertificate(cert)
	if err != nil {
		return Result{}, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: GateSecretName, Labels: map[string]string{"app.kubernetes.io/part-of": "edgeway"}},
		Type:       corev1.SecretTypeTLS,
	}
	if before != nil {
		secret = before
	}
	secret.Data = map[string][]byte{corev1.TLSCertKey: cert, corev1.TLSPrivateKeyKey: key, corev1.ServiceAccountRootCAKey: ca.PEM()}
	if before == nil {
		_, err = secrets.Create(ctx, secret, metav1.CreateOptions{})
	} else {
		_, err = secrets.Update(ctx, secret, metav1.UpdateOptions{})
	}
	if err != nil {
		return Result{}, fmt.Errorf("write Secret %s: %w", GateSecretName, err)
	}
	return Result{NotAfter: made.NotAfter, Created: before == nil, Renewed: before != nil}, nil
}

func gateUsable(secret *corev1.Secret, ca []byte, hosts []string, now time.Time) (*x509.Certificate, bool) {
	cert, err := ParseCertificate(secret.Data[corev1.TLSCertKey])
	if err != nil || len(secret.Data[corev1.TLSPrivateKeyKey]) == 0 || !bytes.Equal(secret.Data[corev1.ServiceAccountRootCAKey], ca) {
		return nil, false
	}
	return cert, fresh(cert, now) && slices.Equal(canonical(hosts), certHosts(cert))
}

// certHosts are the names in a certificate, as canonical gives them.
func certHosts(cert *x509.Certificate) []string {
	hosts := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	return canonical(hosts)
}

func canonical(hosts []string) []string {
	var out []string
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			host = ip.String()
		}
		out = append(out, host)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
