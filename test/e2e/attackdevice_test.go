//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/edgeway-io/edgeway/internal/enroll/pki"
)

// tunnel dials as a device does.
func (a *attack) tunnel(p place, address string, cert *tls.Certificate, name, token string) (*websocket.Conn, int, error) {
	conf := &tls.Config{InsecureSkipVerify: true}
	if cert != nil {
		conf.Certificates = []tls.Certificate{*cert}
	}
	dialer := websocket.Dialer{TLSClientConfig: conf, HandshakeTimeout: 10 * time.Second,
		NetDialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return p.dial(ctx, address, knockPatience)
		}}
	header := http.Header{"SessionHostNameOverride": {name}, "SessionInternalIP": {edgeNodes["jetson-xavier"]}}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	conn, response, err := dialer.DialContext(a.t.Context(), "wss://"+address+"/v1/kubeedge/connect", header)
	if response == nil {
		return conn, 0, err
	}
	return conn, response.StatusCode, err
}

// TestAttacksOfADevice: its own certificate opens a tunnel under its own name and no other, and none once
// it is revoked, which cuts the one that is open.
func TestAttacksOfADevice(t *testing.T) {
	const name, other, ip = "attacker", "jetson-xavier", "192.168.100.66"
	edge := place{ns: site.Namespace(t, "jetson-xavier")}
	a := &attack{t: t}
	key, csr, err := pki.NewRequest(name)
	if err != nil {
		t.Fatal(err)
	}
	enrollment := fmt.Sprintf(`{"apiVersion":"edgeway.io/v1alpha1","kind":"EdgeEnrollment","metadata":{"name":%[1]q,"namespace":"edgeway-join"},
		"spec":{"nodeName":%[1]q,"arch":"amd64","nodeIP":%[2]q,"codeHash":%[3]q,"components":{"edgeStream":true,"edgeMesh":false,"eventBus":false},
		"cloudCore":{"host":"198.18.0.2","webSocketPort":31000,"certPort":31002,"tunnelPort":31004}}}`, name, ip, strings.Repeat("0", 64))
	if _, err := kubectl(t, enrollment, "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = kubectl(t, "", "-n", "edgeway-join", "delete", "edgeenrollment", name) })
	patch := func(args ...string) {
		t.Helper()
		mustKubectl(t, append([]string{"-n", "edgeway-join", "patch", "edgeenrollment", name, "--type=merge"}, args...)...)
	}
	status := func(path string) string {
		return mustKubectl(t, "-n", "edgeway-join", "get", "edgeenrollment", name, "-o", "jsonpath={.status."+path+"}")
	}
	eventually(t, 20*time.Second, func() error {
		if phase := status("phase"); phase != "Pending" {
			return fmt.Errorf("the enrollment is %q", phase)
		}
		return nil
	})
	raw, err := json.Marshal(map[string]any{"status": map[string]any{"csr": csr}}) // what redemption of the code writes
	if err != nil {
		t.Fatal(err)
	}
	patch("--subresource=status", "-p", string(raw))
	var signed struct {
		Status struct {
			Certificate []byte `json:"certificate"`
		} `json:"status"`
	}
	eventually(t, 20*time.Second, func() error {
		err := json.Unmarshal([]byte(mustKubectl(t, "-n", "edgeway-join", "get", "edgeenrollment", name, "-o", "json")), &signed)
		if err == nil && len(signed.Status.Certificate) == 0 {
			err = errors.New("no certificate is signed")
		}
		return err
	})
	cert, err := tls.X509KeyPair(signed.Status.Certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	door := net.JoinHostPort(hostAddress(t, "cp"), "31004")

	if conn, got, err := a.tunnel(edge, door, &cert, other, ""); err == nil || got != http.StatusForbidden {
		if err == nil {
			_ = conn.Close()
		}
		t.Errorf("its own certificate under the name %s: %d (%v), want 403", other, got, err)
	}
	var conn *websocket.Conn
	eventually(t, 20*time.Second, func() (err error) { // the gate hears of the enrollment by its watch
		conn, _, err = a.tunnel(edge, door, &cert, name, "")
		return err
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	select {
	case <-ended:
		t.Error("the tunnel of its own name ended before it was revoked")
	case <-time.After(time.Second):
	}
	patch("-p", `{"spec":{"state":"Revoked"}}`)
	revoked := time.Now()
	select {
	case <-ended:
		t.Logf("a revoked device was cut after %s", time.Since(revoked).Round(time.Millisecond))
	case <-time.After(5 * time.Second):
		t.Error("a revoked device's tunnel is still open after 5 s")
	}
	_ = conn.Close()
	if again, got, err := a.tunnel(edge, door, &cert, name, ""); err == nil || got != http.StatusForbidden {
		if err == nil {
			_ = again.Close()
		}
		t.Errorf("the revoked device dials again: %d (%v), want 403", got, err)
	}
	for node := range edgeNodes {
		if err := logs(t, node); err != nil {
			t.Errorf("the devices that were attacked: %v", err)
		}
	}
}
