package facts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	"github.com/edgeway-io/edgeway/internal/streamcert"
)

// errNoIdentity says that devices cannot be told from strangers yet.
var errNoIdentity = errors.New("Secret kubeedge/" + streamcert.GateSecretName + " is not there yet; edge-watcher makes it once CloudCore has made its CA")

// errNoCA says that CloudCore has no CA yet, or that the gate may not read it.
var errNoCA = errors.New("Secret kubeedge/" + streamcert.CASecretName + " is not there yet; CloudCore makes it at its first start")

// Door is one of the ports at which devices come in.
type Door int

// The doors. Tunnels and CloudHub demand a certificate in the handshake. At the door for
// certificates a device may have none yet; who shows one is told in words what is wrong.
const (
	TunnelDoor Door = iota
	HubDoor
	CertificateDoor
	doors
)

// identity holds the certificate that devices see and the CA that devices have
// theirs from.
type identity struct {
	log     *slog.Logger
	current atomic.Pointer[shown]
}

// shown is one certificate as each door uses it, and the CA of devices.
type shown struct {
	doors   [doors]*tls.Config
	devices *x509.CertPool
}

// config is asked for every device, so a renewed certificate needs no restart.
func (i *identity) config(door Door) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	return func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if current := i.current.Load(); current != nil {
			return current.doors[door], nil
		}
		return nil, errNoIdentity
	}
}

// verify returns why a certificate is not a device's.
func (i *identity) verify(cert *x509.Certificate) error {
	current := i.current.Load()
	if current == nil {
		return errNoIdentity
	}
	_, err := cert.Verify(x509.VerifyOptions{Roots: current.devices, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
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
	current, err := show(after)
	if err != nil {
		i.log.Error("the certificates for devices cannot be used", "secret", after.Name, "error", err)
		return
	}
	i.current.Store(current)
}

func show(secret *corev1.Secret) (*shown, error) {
	own, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, err
	}
	devices := x509.NewCertPool()
	if !devices.AppendCertsFromPEM(secret.Data[corev1.ServiceAccountRootCAKey]) {
		return nil, errors.New("key " + corev1.ServiceAccountRootCAKey + " holds no certificate")
	}
	out := &shown{devices: devices}
	for door := range out.doors {
		out.doors[door] = &tls.Config{
			Certificates: []tls.Certificate{own},
			ClientCAs:    devices,
			ClientAuth:   tls.RequireAndVerifyClientCert,
			MinVersion:   tls.VersionTLS12,
			NextProtos:   []string{"http/1.1"}, // WebSocket needs it
			// Every connection proves anew who it is.
			SessionTicketsDisabled: true,
		}
	}
	out.doors[HubDoor].NextProtos = []string{"h2", "http/1.1"}
	out.doors[CertificateDoor].ClientAuth = tls.RequestClientCert
	// Without a list of CAs a client shows whatever it has, and is told what is wrong with it.
	out.doors[CertificateDoor].ClientCAs = nil
	return out, nil
}

// nodeCertLife is how long a certificate towards CloudHub is good for: CloudHub looks at it
// in the handshake only, and the next connection gets another.
const nodeCertLife = 10 * time.Minute

// authority acts towards CloudCore in the name of nodes, with KubeEdge's CA.
type authority struct {
	log     *slog.Logger
	current atomic.Pointer[signer]
}

type signer struct {
	ca    *pki.CA
	roots *x509.CertPool
	// key is the gate's own for all nodes: it never leaves the process.
	key *ecdsa.PrivateKey
}

// set takes a CA; a Secret that is gone or broken leaves the last one in force.
func (a *authority) set(_ string, _, after *corev1.Secret) {
	if after == nil {
		return
	}
	ca, err := streamcert.ParseCASecret(after)
	if err == nil {
		var key *ecdsa.PrivateKey
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
			roots := x509.NewCertPool()
			roots.AddCert(ca.Certificate())
			a.current.Store(&signer{ca: ca, roots: roots, key: key})
			return
		}
	}
	a.log.Error("KubeEdge's CA cannot be used", "secret", after.Name, "error", err)
}

// toHub is what CloudHub is dialed with: in the name of a node, or of nobody when node is
// empty. Each configuration is for one connection: a resumed session would bear the name
// of the connection before.
func (a *authority) toHub(node string, protocols ...string) (*tls.Config, error) {
	s := a.current.Load()
	if s == nil {
		return nil, errNoCA
	}
	config := &tls.Config{
		// CloudCore's certificate is for the addresses that devices dial. That it is a
		// server of KubeEdge's CA is what VerifyConnection asks for.
		InsecureSkipVerify: true, VerifyConnection: s.verifyServer,
		MinVersion: tls.VersionTLS12, NextProtos: protocols,
		// Each connection keeps the buffers of its handshake; post-quantum keys, which are
		// of no use on a loopback, would more than double them.
		CurvePreferences: []tls.CurveID{tls.X25519},
	}
	if node == "" {
		return config, nil
	}
	der, err := s.ca.SignNode(node, s.key.Public(), time.Now(), nodeCertLife)
	if err != nil {
		return nil, fmt.Errorf("certificate of node %q towards CloudHub: %w", node, err)
	}
	config.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: s.key}}
	return config, nil
}

// verifyServer lets no other process pass for CloudCore that took its port.
func (s *signer) verifyServer(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("CloudHub shows no certificate")
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: s.roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return fmt.Errorf("CloudHub's certificate: %w", err)
	}
	return nil
}
