package cli

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/bundle"
	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	"github.com/edgeway-io/edgeway/internal/enroll/token"
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

// cloudHub serves what CloudHub's HTTPS service does, with its token check.
type cloudHub struct {
	caCert, caKey []byte
	ca            *pki.CA
}

func (h *cloudHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/edge.crt" {
		_, _ = w.Write(h.caCert)
		return
	}
	raw := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	_, err := jwt.Parse(raw, func(*jwt.Token) (any, error) { return h.caKey, nil }, jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	csr, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	cert, err := h.ca.Sign(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), r.Header.Get("NodeName"), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	block, _ := pem.Decode(cert)
	_, _ = w.Write(block.Bytes)
}

// serveCloudHub shows a certificate of KubeEdge's CA.
func serveCloudHub(caCert, caKey []byte) (*httptest.Server, error) {
	ca, err := pki.ParseCA(caCert, caKey)
	if err != nil {
		return nil, err
	}
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
	s := quiet(&cloudHub{caCert: caCert, caKey: caKey, ca: ca})
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: signer}}}
	s.StartTLS()
	return s, nil
}

// packBundles makes the offline bundles that the scripts use, as the console does,
// and unpacks them: one that is good, one whose token has expired, one of another
// cluster, and one whose token CloudHub does not believe.
func packBundles(env *testscript.Env, caCert, caKey []byte, endpoint string, port int32) error {
	otherCert, otherKey, err := newCA()
	if err != nil {
		return err
	}
	for dir, b := range map[string]struct {
		cert, key []byte
		life      time.Duration
	}{
		"offline": {caCert, caKey, time.Hour},
		"expired": {caCert, caKey, -time.Minute},
		"foreign": {otherCert, otherKey, time.Hour},
		"forged":  {caCert, otherKey, time.Hour},
	} {
		expires := time.Now().Add(b.life)
		minted, err := token.Mint(b.cert, b.key, expires)
		if err != nil {
			return err
		}
		if err := pack(env, dir, offlineJoin(minted, expires, endpoint, port)); err != nil {
			return err
		}
	}
	return nil
}

func offlineJoin(minted string, expires time.Time, endpoint string, port int32) bundle.Offline {
	return bundle.Offline{Token: minted, Expires: expires, Lookup: wire.Lookup{NodeName: "edge-offline", NodeIP: "192.168.100.9",
		Arch: runtime.GOARCH, RuntimeEndpoint: endpoint, CloudCore: wire.CloudCore{Host: "127.0.0.1", WebSocketPort: int(port), CertPort: int(port)}}}
}

func pack(env *testscript.Env, dir string, join bundle.Offline) error {
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
	if err := bundle.Write(&archive, join, []bundle.Source{{Name: bundle.FileEdgeCore, Path: script, Mode: 0o755}}, time.Now()); err != nil {
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
