//go:build e2e && kubeedge

package e2e

import (
	"net/http"
	"testing"
	"time"
)

// TestKeadm takes a device in with the command that the console prints for the real
// keadm, pasted unchanged, and out again with keadm reset: twice under one name, then
// under another one. Verified means that a pod's log line was read.
func TestKeadm(t *testing.T) {
	c := signIn(t, site.Tokens.Admin)
	// keadm writes a unit where systemd runs; the sandbox has a small systemctl.
	onHost(t, spare, "mkdir -p /run/systemd/system")
	clean := deviceState(t)
	t.Cleanup(func() {
		// What keadm reset leaves would be somebody else's to edgectl.
		onHost(t, spare, "keadm reset edge --force; rm -rf /run/systemd /etc/kubeedge/* /var/lib/kubelet/* /var/lib/kubeedge/* /var/log/pods/* /var/log/containers/* /var/log/kubeedge /usr/local/bin/edgecore")
		if after := deviceState(t); after != clean {
			t.Errorf("the device differs afterwards:\nbefore\n%s\nafter\n%s", clean, after)
		}
	})
	for _, name := range []string{spare, spare, spare + "-again"} {
		request := joinRequest(t, c)
		request["nodeName"], request["cgroupDriver"] = name, "cgroupfs"
		e := enrollNode(t, c, request)
		var stock struct {
			Command string `json:"command"`
		}
		if err := c.Call(http.MethodPost, clusterPath+"/enrollments/"+e.Name+"/token", nil, &stock); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		onHost(t, spare, stock.Command)
		pasted := time.Since(start)
		waitPhase(t, c, e.Name, "Verified")
		t.Logf("%s: keadm ended after %.1f s, Verified after %.1f s", name, pasted.Seconds(), time.Since(start).Seconds())
		if err := c.Retire(name); err != nil {
			t.Fatal(err)
		}
		onHost(t, spare, "keadm reset edge --force")
		waitGone(t, name)
	}
}
