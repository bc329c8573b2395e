package facts

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/edgeway-io/edgeway/internal/streamcert"
)

// errNoIdentity says that devices cannot be told from strangers yet.
var errNoIdentity = errors.New("Secret kubeedge/" + streamcert.GateSecretName + " is not there yet; edge-watcher makes it once CloudCore has made its CA")

// identity holds the certificate that devices see and the CA that devices have
// theirs from.
type identity struct {
	log     *slog.Logger
	current atomic.Pointer[tls.Config]
}

// config is asked for every device, so a renewed certificate needs no restart.
func (i *identity) config(*tls.ClientHelloInfo) (*tls.Config, error) {
	if config := i.current.Load(); config != nil {
		return config, nil
	}
	return nil, errNoIdentity
}

func readSecret(obj runtime.Object) *corev1.Secret {
	secret, ok := obj.(*corev1.Secret)
	if !ok {
		return nil
	}
	return secret
}

// set takes a new certificate. A Secret that is gone or broken leaves the last one in
// force: devices that are in the field do not depend on it.
func (i *identity) set(_ string, _, after *corev1.Secret) {
	if after == nil {
		return
	}
	config, err := deviceTLS(after)
	if err != nil {
		i.log.Error("the certificates for devices cannot be used", "secret", after.Name, "error", err)
		return
	}
	i.current.Store(config)
}

func deviceTLS(secret *corev1.Secret) (*tls.Config, error) {
	own, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, err
	}
	devices := x509.NewCertPool()
	if !devices.AppendCertsFromPEM(secret.Data[corev1.ServiceAccountRootCAKey]) {
		return nil, errors.New("key " + corev1.ServiceAccountRootCAKey + " holds no certificate")
	}
	return &tls.Config{
		Certificates: []tls.Certificate{own},
		ClientCAs:    devices,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"}, // WebSocket needs it
		// Every connection proves anew who it is.
		SessionTicketsDisabled: true,
	}, nil
}
