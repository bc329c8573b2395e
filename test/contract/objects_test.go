package contract

import (
	"context"
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

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/test/contract/edge"
)

func (s *site) configMap(t *testing.T, in, name, value string) {
	t.Helper()
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: in}, Data: map[string]string{"k": value}}
	must(s.kube.CoreV1().ConfigMaps(in).Create(ctxOf(t), m, metav1.CreateOptions{}))(t)
}

func (s *site) secretIn(t *testing.T, in, name, value string) {
	t.Helper()
	m := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: in}, StringData: map[string]string{"k": value}}
	must(s.kube.CoreV1().Secrets(in).Create(ctxOf(t), m, metav1.CreateOptions{}))(t)
}

// change writes another value into ConfigMap and Secret of that name.
func (s *site) change(t *testing.T, name, value string) {
	t.Helper()
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Data: map[string]string{"k": value}}
	must(s.kube.CoreV1().ConfigMaps("default").Update(ctxOf(t), m, metav1.UpdateOptions{}))(t)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, StringData: map[string]string{"k": value}}
	must(s.kube.CoreV1().Secrets("default").Update(ctxOf(t), secret, metav1.UpdateOptions{}))(t)
}

func (s *site) serviceAccount(t *testing.T, name string) {
	t.Helper()
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	must(s.kube.CoreV1().ServiceAccounts("default").Create(ctxOf(t), sa, metav1.CreateOptions{}))(t)
}

// mounting makes a pod mount a ConfigMap and a Secret of the given name and use a
// ServiceAccount.
func mounting(volumes, account string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.ServiceAccountName = account
		p.Spec.Volumes = []corev1.Volume{
			{Name: "m", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: volumes}}}},
			{Name: "t", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
				{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}}}}}},
			{Name: "s", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: volumes}}},
		}
	}
}

// newLease is what EdgeCore sends for a node's lease.
func newLease(name string) *coordinationv1.Lease {
	now, seconds := metav1.NowMicro(), int32(40)
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: corev1.NamespaceNodeLease},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &name, LeaseDurationSeconds: &seconds, RenewTime: &now}}
}

// objectResp is CloudCore's answer to what writes an object.
type objectResp[T any] struct {
	Object T
	Err    any
}

// renews creates the node's lease, renews and reads it through CloudCore.
func (s *site) renews(t *testing.T, conn *edge.Conn, name string) {
	t.Helper()
	s.leaseNamespace(t)
	resource := corev1.NamespaceNodeLease + "/lease/" + name
	answer := must(conn.Ask(ctxOf(t), message(t, "insert", resource, newLease(name))))(t)
	made := decode[objectResp[coordinationv1.Lease]](t, answer.Content)
	if made.Object.ResourceVersion == "" {
		t.Fatalf("no lease was made: %s", answer.Content)
	}
	later := metav1.NewMicroTime(time.Now().Add(time.Second).Truncate(time.Microsecond)) // what JSON keeps
	made.Object.Spec.RenewTime = &later
	answer = must(conn.Ask(ctxOf(t), message(t, "update", resource, made.Object)))(t)
	renewed := decode[objectResp[coordinationv1.Lease]](t, answer.Content)
	if renewed.Object.ResourceVersion == "" || renewed.Object.ResourceVersion == made.Object.ResourceVersion {
		t.Errorf("not renewed: %s", answer.Content)
	}
	stored := must(s.kube.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctxOf(t), name, metav1.GetOptions{}))(t)
	if !stored.Spec.RenewTime.Equal(&later) {
		t.Errorf("the lease says %s", stored.Spec.RenewTime)
	}
}

func (s *site) leaseNamespace(t *testing.T) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		_, err := s.kube.CoreV1().Namespaces().Get(ctx, corev1.NamespaceNodeLease, metav1.GetOptions{})
		return err
	})
}

// gone waits until an object does not exist.
func gone(t *testing.T, get func(context.Context) error) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		err := get(ctx)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is still there"), err)
	})
}

// selfSigned is a certificate that no CloudCore signed.
func selfSigned(t *testing.T, commonName, organization string) tls.Certificate {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: commonName, Organization: []string{organization}},
		NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
