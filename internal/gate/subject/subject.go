// Package subject reads which edge node a certificate was issued to. Whether the
// certificate is good is left to the caller.
package subject

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/edgeway-io/edgeway/internal/enroll/pki"
)

// ErrNotANode is wrapped when a certificate is not an edge node's.
var ErrNotANode = errors.New("the certificate is not an edge node's")

// Node is the name of the edge node that a certificate was issued to.
func Node(cert *x509.Certificate) (string, error) {
	node, found := strings.CutPrefix(cert.Subject.CommonName, pki.CommonName(""))
	if !found || node == "" || !slices.Equal(cert.Subject.Organization, []string{pki.Organization}) {
		return "", fmt.Errorf("%w: its subject is %q, want \"CN=%s,O=%s\"", ErrNotANode, cert.Subject.String(), pki.CommonName("NAME"), pki.Organization)
	}
	return node, nil
}
