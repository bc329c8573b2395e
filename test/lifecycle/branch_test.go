//go:build e2e

package lifecycle

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/test/onsite"
)

const (
	branchPath = "/api/v1/clusters/branch"
	hostPath   = "/api/v1/clusters/sandbox"
	device     = "orangepi"
	deviceIP   = "192.168.100.3"
)

// secondCluster enables KubeEdge in a site's second cluster behind a load balancer's
// address, as somebody who may do that there alone, and lets a device join it from the
// console of the first: code, installer, certificate, tunnel and log.
func secondCluster(t *testing.T) {
	site, err := onsite.Read()
	if err != nil {
		t.Fatal(err)
	}
	admin, fleet := site.SignIn(t, site.Tokens.BranchAdmin), site.SignIn(t, site.Tokens.FleetAdmin)
	mayNotChangeHost(t, admin)
	enableBehindBalancer(t, admin)

	var defaults struct {
		Request map[string]any `json:"request"`
	}
	if err := admin.Call(http.MethodGet, branchPath+"/join-defaults", nil, &defaults); err != nil {
		t.Fatal(err)
	}
	address, _ := defaults.Request["cloudCore"].(map[string]any)
	if host, _ := address["host"].(string); !strings.HasPrefix(host, "198.18.0.14") {
		t.Errorf("devices are to go to %v, want an address of the load balancer's", address)
	}
	defaults.Request["nodeName"], defaults.Request["nodeIP"] = device, deviceIP
	var e struct{ Name, Command, Phase string }
	if err := admin.Call(http.MethodPost, branchPath+"/enrollments", defaults.Request, &e); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	site.OnHost(t, device, e.Command)
	onsite.Eventually(t, 90*time.Second, time.Second, func() error {
		if err := admin.Call(http.MethodGet, branchPath+"/enrollments/"+e.Name, nil, &e); err != nil {
			return err
		}
		if e.Phase != "Verified" {
			return fmt.Errorf("the enrollment is %s", e.Phase)
		}
		return nil
	})
	t.Logf("Verified in the second cluster %.1f s after the line was pasted", time.Since(start).Seconds())

	if names := nodeNames(t, fleet, hostPath); strings.Contains(names, device) {
		t.Errorf("the first cluster has the device, too: %s", names)
	}
	if names := nodeNames(t, fleet, branchPath); !strings.Contains(names, device) {
		t.Errorf("the second cluster has no node %s: %s", device, names)
	}
	site.OnHost(t, device, "edgectl leave")
	disableBranch(t, site)
}

// mayNotChangeHost: cluster-admin of one cluster is none of the other.
func mayNotChangeHost(t *testing.T, admin onsite.Console) {
	t.Helper()
	err := admin.Call(http.MethodDelete, hostPath+"/kubeedge", nil, nil)
	if err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("the second cluster's admin disables KubeEdge in the first: %v, want 403", err)
	}
	if nodeNames(t, admin, hostPath) == "" {
		t.Error("a viewer of the first cluster sees none of its nodes")
	}
}

// enableBehindBalancer takes the images of the first cluster's settings, and the
// defaults of service type LoadBalancer for the rest.
func enableBehindBalancer(t *testing.T, admin onsite.Console) {
	t.Helper()
	var first, defaults struct {
		Settings map[string]any `json:"settings"`
	}
	if err := admin.Call(http.MethodGet, hostPath+"/kubeedge", nil, &first); err != nil {
		t.Fatal(err)
	}
	if err := admin.Call(http.MethodGet, branchPath+"/kubeedge/defaults?serviceType=LoadBalancer", nil, &defaults); err != nil {
		t.Fatal(err)
	}
	defaults.Settings["images"] = first.Settings["images"]
	if err := admin.Call(http.MethodPut, branchPath+"/kubeedge?revision=0", defaults.Settings, nil); err != nil {
		t.Fatal(err)
	}
	onsite.Eventually(t, 3*time.Minute, time.Second, func() error {
		var view struct {
			State, Operation string
		}
		if err := admin.Call(http.MethodGet, branchPath+"/kubeedge", nil, &view); err != nil {
			return err
		}
		if view.State != "Enabled" || view.Operation != "" {
			return fmt.Errorf("KubeEdge is %s, operation %q", view.State, view.Operation)
		}
		return nil
	})
}

// nodeNames lists a cluster's nodes as the console shows them to a user.
func nodeNames(t *testing.T, c onsite.Console, cluster string) string {
	t.Helper()
	var list struct {
		Nodes []struct {
			Name string `json:"name"`
		} `json:"nodes"`
	}
	if err := c.Call(http.MethodGet, cluster+"/nodes?role=all", nil, &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range list.Nodes {
		names = append(names, n.Name)
	}
	return strings.Join(names, " ")
}

// disableBranch on the command line: the load balancer takes its address back.
func disableBranch(t *testing.T, site onsite.Site) {
	t.Helper()
	site.EdgewayOn(t, "branch", site.Branch, "disable")
	onsite.Eventually(t, 30*time.Second, time.Second, func() error {
		if out := site.OnHost(t, "branch", "ip -4 -brief addr show eth0"); strings.Contains(out, "198.18.0.14") {
			return errors.New("the address is still there: " + out)
		}
		return nil
	})
}
