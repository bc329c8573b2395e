package cli

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/bundle"
	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

// connectingScript stands for an EdgeCore that keeps a connection to CloudHub.
const connectingScript = `#!/bin/sh
echo "edgecore runs with $*"
pipe=$(mktemp -u)
mkfifo "$pipe"
exec 3<>"$pipe" # input that never ends
rm "$pipe"
exec busybox nc 127.0.0.1 %d <&3 >/dev/null
`

// serveCloudHub answers its CA, as CloudHub does to anyone, with a certificate of it.
func serveCloudHub(caCert, caKey []byte) (*httptest.Server, error) {
	signer, err := x509.ParseECPrivateKey(caKey)
	if err != nil {
		return nil, err
	}
	parent, err := x509.ParseCertificate(caCert)
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: parent.NotBefore, NotAfter: parent.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	// The CA's own key serves here: whose key it is does not matter to the test.
	der, err := x509.CreateCertificate(nil, tmpl, parent, signer.Public(), signer)
	if err != nil {
		return nil, err
	}
	s := quiet(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(caCert) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: signer}}}
	s.StartTLS()
	return s, nil
}

// bundlePassphrase opens the sealed bundle.
const bundlePassphrase = "correct horse battery"

// packBundles makes the offline bundles that the scripts use, as the console does,
// and unpacks them: one that is good, one that has expired, one whose certificate another
// cluster signed, one with another node's certificate, and one that is sealed.
func packBundles(env *testscript.Env, caCert, caKey []byte, endpoint string, port int32) error {
	otherCert, otherKey, err := newCA()
	if err != nil {
		return err
	}
	const name = "edge-offline"
	for dir, b := range map[string]struct {
		cert, key  []byte
		name       string
		life       time.Duration
		passphrase string
	}{
		"offline": {caCert, caKey, name, time.Hour, ""},
		"expired": {caCert, caKey, name, -time.Minute, ""},
		"foreign": {otherCert, otherKey, name, time.Hour, ""},
		"forged":  {caCert, caKey, "edge-other", time.Hour, ""},
		"sealed":  {caCert, caKey, name, time.Hour, bundlePassphrase},
	} {
		join, err := offlineJoin(b.cert, b.key, b.name, time.Now().Add(b.life), endpoint, port)
		if err != nil {
			return err
		}
		if dir == "foreign" {
			join.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caCert}))
		}
		if err := pack(env, dir, b.passphrase, join); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(env.WorkDir, "passphrase"), []byte(bundlePassphrase+"\n"), 0o600)
}

// offlineJoin signs a certificate for a name into a bundle of node edge-offline.
func offlineJoin(caCert, caKey []byte, name string, expires time.Time, endpoint string, port int32) (bundle.Offline, error) {
	ca, err := pki.ParseCA(caCert, caKey)
	if err != nil {
		return bundle.Offline{}, err
	}
	key, csr, err := pki.NewRequest(name)
	if err != nil {
		return bundle.Offline{}, err
	}
	cert, err := ca.Sign(csr, name, time.Now())
	return bundle.Offline{Key: string(key), Certificate: string(cert), CA: string(ca.PEM()), Expires: expires,
		Lookup: wire.Lookup{NodeName: "edge-offline", NodeIP: "192.168.100.9", Arch: runtime.GOARCH, RuntimeEndpoint: endpoint,
			CloudCore: wire.CloudCore{Host: "127.0.0.1", WebSocketPort: int(port), CertPort: int(port)}}}, err
}

func pack(env *testscript.Env, dir, passphrase string, join bundle.Offline) error {
	config, err := enroll.EdgeCoreConfig(&v1alpha1.EdgeEnrollmentSpec{NodeName: join.NodeName, NodeIP: join.NodeIP, RuntimeEndpoint: join.RuntimeEndpoint,
		CloudCore: v1alpha1.CloudCoreAddress{Host: join.CloudCore.Host, WebSocketPort: int32(join.CloudCore.WebSocketPort), CertPort: int32(join.CloudCore.CertPort)}})
	if err != nil {
		return err
	}
	join.EdgeCoreConfig = string(config)
	script := filepath.Join(env.WorkDir, "connecting")
	if err := os.WriteFile(script, fmt.Appendf(nil, connectingScript, join.CloudCore.WebSocketPort), 0o755); err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := bundle.Write(&archive, join, passphrase, []bundle.Source{{Name: bundle.FileEdgeCore, Path: script, Mode: 0o755}}, time.Now()); err != nil {
		return err
	}
	into := filepath.Join(env.WorkDir, dir)
	if err := os.Mkdir(into, 0o755); err != nil {
		return err
	}
	tar := exec.Command("tar", "-xz", "--strip-components=1", "-C", into)
	tar.Stdin = &archive
	if out, err := tar.CombinedOutput(); err != nil {
		return fmt.Errorf("unpacking: %w: %s", err, out)
	}
	return nil
}
