package runtime

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/internal/streamcert"
)

// Certificate is one of KubeEdge's, without its key.
type Certificate struct {
	Name     string     `json:"name" doc:"ca, cloudcore or stream."`
	NotAfter *time.Time `json:"notAfter,omitempty" doc:"When it ends; absent when it is not there yet."`
	Message  string     `json:"message,omitempty" doc:"What is wrong with it."`
}

// certificates reads the three that a running KubeEdge has.
func (r *Runtime) certificates(ctx context.Context) ([]Certificate, error) {
	sources := []struct {
		name, secret, key string
		parse             func([]byte) (*x509.Certificate, error)
	}{
		{"ca", secretCA, "cadata", x509.ParseCertificate},
		{"cloudcore", secretCloudCore, "cloudcoredata", x509.ParseCertificate},
		{"stream", streamcert.SecretName, streamcert.KeyCert, streamcert.ParseCertificate},
	}
	var out []Certificate
	for _, source := range sources {
		c := Certificate{Name: source.name}
		secret, err := r.kube.CoreV1().Secrets(Namespace).Get(ctx, source.secret, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			c.Message = "not made yet"
		case err != nil:
			return nil, fmt.Errorf("read Secret %s: %w", source.secret, err)
		default:
			c.read(secret.Data[source.key], source.parse)
		}
		out = append(out, c)
	}
	return out, nil
}

func (c *Certificate) read(data []byte, parse func([]byte) (*x509.Certificate, error)) {
	cert, err := parse(data)
	if err != nil {
		c.Message = "unreadable: " + err.Error()
		return
	}
	c.NotAfter = &cert.NotAfter
}
