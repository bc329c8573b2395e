//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/edgeway-io/edgeway/internal/enroll/pki"
)

// TestImpostorOfANode: with the certificate of one edge node nobody connects to CloudHub as
// another, gets a certificate of another, or disturbs the other's connection.
func TestImpostorOfANode(t *testing.T) {
	const thief, victim = "jetson-xavier", "raspberrypi"
	c := signIn(t, site.Tokens.Admin)
	cloud, ok := joinRequest(t, c)["cloudCore"].(map[string]any)
	if !ok {
		t.Fatal("the console does not say where CloudCore is")
	}
	before := hubConnections(t, victim, cloud)
	if len(before) == 0 {
		t.Fatalf("%s has no connection to CloudHub", victim)
	}
	const certificate = "--cacert /etc/kubeedge/ca/rootCA.crt --cert /etc/kubeedge/certs/server.crt --key /etc/kubeedge/certs/server.key"
	connect := func(as string) string {
		return onHost(t, thief, fmt.Sprintf("curl -s --http1.1 --max-time 5 %s -w ' status %%{http_code}' -H 'node_id: %s' -H 'project_id: p' -H 'ConnectionUse: msg' "+
			"-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' https://%v:%v/p/%s/events",
			certificate, as, cloud["host"], cloud["webSocketPort"], as))
	}
	for range 3 {
		if got := connect(victim); !strings.HasSuffix(got, "status 403") || !strings.Contains(got, "the certificate is of another name") {
			t.Errorf("as %s: %s", victim, got)
		}
	}
	sign := func(name string) string {
		_, csr, err := pki.NewRequest(name)
		if err != nil {
			t.Fatal(err)
		}
		return site.OnHostWith(t, thief, string(csr), fmt.Sprintf("openssl req -outform DER | curl -s --max-time 5 %s -o /dev/stderr -w 'status %%{http_code}' -X GET -H 'NodeName: %s' --data-binary @- https://%v:%v/edge.crt 2>/dev/null",
			certificate, thief, cloud["host"], cloud["certPort"]))
	}
	if got := sign(victim); !strings.HasSuffix(got, "status 403") {
		t.Errorf("a certificate of %s: %s", victim, got)
	}
	if got := sign(thief); !strings.HasSuffix(got, "status 200") {
		t.Errorf("a certificate of its own: %s", got)
	}
	after := hubConnections(t, victim, cloud)
	for _, conn := range before {
		if !slices.Contains(after, conn) {
			t.Errorf("the connection of %s from %s is closed; there are %v", victim, conn, after)
		}
	}
}

// hubConnections are the local addresses of a host's connections to CloudHub.
func hubConnections(t *testing.T, host string, cloud map[string]any) []string {
	t.Helper()
	out := onHost(t, host, fmt.Sprintf("ss -Htn state established dst %v dport = :%v", cloud["host"], cloud["webSocketPort"]))
	var local []string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 2 {
			local = append(local, fields[2])
		}
	}
	return local
}
