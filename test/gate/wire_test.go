package gate

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"testing"
)

// TestNoCredentialOnTheWire sends every credential there is in every place where one
// is sent, and looks for it in every byte that arrives at the device.
func TestNoCredentialOnTheWire(t *testing.T) {
	node(t, "edge-wire")
	pod(t, "hello-wire", "edge-wire")
	device := connect(t, "edge-wire", kubelet())
	before := len(device.wire())
	token := account(t, "wire", nodeRule("get", "proxy", "stats", "metrics"), nodeRule("create", "proxy"))
	bearer := "base64url.bearer.authorization.k8s.io." + base64.RawURLEncoding.EncodeToString([]byte(token))
	secrets := map[string]string{
		"Cookie": "session=cookie-secret", "Proxy-Authorization": "Basic proxy-secret", "X-Remote-User": "remote-secret",
		"Impersonate-User": "impersonate-secret", "X-Auth-Request-Access-Token": "access-secret", "X-Forwarded-Client-Cert": "xfcc-secret",
		"Edgeway-Ticket": "ticket-secret",
	}
	for _, r := range []struct {
		method, path string
		header       http.Header
	}{
		{http.MethodGet, "/containerLogs/default/hello-wire/c", http.Header{}},
		{http.MethodGet, "/stats/summary", proxiedBy("edge-wire")},
		{http.MethodGet, "/metrics/resource", proxiedBy("edge-wire")},
		{http.MethodPost, "/exec/default/hello-wire/c?command=id", upgrade.Clone()},
		{http.MethodGet, "/attach/default/hello-wire/c", http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Protocol": {"v4.channel.k8s.io, " + bearer}}},
	} {
		for name, value := range secrets {
			r.header.Set(name, value)
		}
		response := open(t, caller{token: token, cert: kubeletClient(t)}, w.stream(), r.method, r.path, r.header)
		if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusSwitchingProtocols {
			body, _ := io.ReadAll(response.Body)
			t.Errorf("%s: %d %s", r.path, response.StatusCode, body)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	wire := device.wire()[before:]
	for _, path := range []string{"/containerLogs/default/hello-wire/c", "/stats/summary", "/metrics/resource", "/exec/default/hello-wire/c", "/attach/default/hello-wire/c", "v4.channel.k8s.io"} {
		if !bytes.Contains(wire, []byte(path)) {
			t.Errorf("%s did not arrive: the look at the wire proves nothing", path)
		}
	}
	for _, secret := range []string{token, "Authorization", "-secret", "bearer.authorization", "Edgeway-Ticket", "Cookie"} {
		if bytes.Contains(wire, []byte(secret)) {
			t.Errorf("%.40q arrived at the device", secret)
		}
	}
}
