//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/test/onsite"
)

// spare is the edge host that `make up` leaves unjoined.
const (
	spare   = "orangepi"
	spareIP = "192.168.100.3"
)

const clusterPath = onsite.ClusterPath

// TestJoinAndLeave takes one device in and out again, three times under the same
// name (EDGEWAY_JOINS times when that is set): the printed line is pasted unchanged,
// the enrollment reaches Verified, and after leaving nothing of it is on the device or
// in the cluster.
func TestJoinAndLeave(t *testing.T) {
	c := signIn(t, site.Tokens.Admin)
	clean, secrets := deviceState(t), secretNames(t)
	for round := range joinRounds(t) {
		enrollment := createEnrollment(t, c)
		start := time.Now()
		onHost(t, spare, enrollment.Command)
		waitPhase(t, c, enrollment.Name, "Verified")
		t.Logf("round %d: Verified %.1f s after the line was pasted", round+1, time.Since(start).Seconds())
		leaveByConsole(t, c)
		onHost(t, spare, "edgectl leave")
		nothingLeft(t, clean)
		if after := secretNames(t); after != secrets {
			t.Errorf("the cluster's Secrets differ after leaving: before\n%s\nafter\n%s", secrets, after)
		}
	}
}

func secretNames(t *testing.T) string {
	t.Helper()
	return mustKubectl(t, "get", "secrets", "--all-namespaces", "--no-headers", "-o", "custom-columns=A:.metadata.namespace,B:.metadata.name")
}

// nothingLeft compares the device with what it was before it joined, and looks for
// its routes.
func nothingLeft(t *testing.T, clean string) {
	t.Helper()
	if after := deviceState(t); after != clean {
		t.Errorf("the device differs after leaving:\nbefore\n%s\nafter\n%s", clean, after)
	}
	if routes := mustKubectl(t, "get", "edgerouteslices", "-o", "yaml"); strings.Contains(routes, spareIP) {
		t.Error("a route of the retired node is left")
	}
}

func joinRounds(t *testing.T) int {
	t.Helper()
	text, given := os.LookupEnv("EDGEWAY_JOINS")
	if !given {
		return 3
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("EDGEWAY_JOINS is %q; give how many times to join", text)
	}
	return n
}

// TestJoinCodeIsSingleUse: a code that a device has used is refused to another
// one, and a revoked code to everybody; the device stays clean.
func TestJoinCodeIsSingleUse(t *testing.T) {
	c := signIn(t, site.Tokens.Admin)
	clean := deviceState(t)
	enrollment := createEnrollment(t, c)
	if err := c.Call(http.MethodPatch, clusterPath+"/enrollments/"+enrollment.Name, map[string]string{"state": "Revoked"}, nil); err != nil {
		t.Fatal(err)
	}
	out := onHost(t, spare, "if "+enrollment.Command+" 2>&1; then echo joined; fi")
	if strings.Contains(out, "joined\n") || !strings.Contains(out, "revoked") {
		t.Errorf("joining with a revoked code: %s", out)
	}
	if after := deviceState(t); after != clean {
		t.Errorf("the device differs after a refused join:\nbefore\n%s\nafter\n%s", clean, after)
	}
}

type enrollment = onsite.Enrollment

// joinRequest is the wizard's form with its own defaults, filled in for the spare host.
func joinRequest(t *testing.T, c console) map[string]any {
	t.Helper()
	request, err := c.JoinRequest(spare, spareIP)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func createEnrollment(t *testing.T, c console) enrollment {
	t.Helper()
	return enrollNode(t, c, joinRequest(t, c))
}

// enroll sends a filled form. The enrollment goes at the test's end.
func enrollNode(t *testing.T, c console, request map[string]any) enrollment {
	t.Helper()
	e, err := c.Enroll(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := kubectl(t, "", "-n", "edgeway-join", "delete", "edgeenrollment", e.Name, "--ignore-not-found"); err != nil {
			t.Error(err)
		}
	})
	return e
}

func waitPhase(t *testing.T, c console, name, phase string) {
	t.Helper()
	waitPhaseFor(t, c, name, phase, 90*time.Second)
}

func waitPhaseFor(t *testing.T, c console, name, phase string, timeout time.Duration) {
	t.Helper()
	eventually(t, timeout, func() error {
		e, err := c.Enrollment(name)
		if err != nil {
			return err
		}
		if e.Phase != phase {
			return fmt.Errorf("enrollment %s is %s, want %s", name, e.Phase, phase)
		}
		return nil
	})
}

func leaveByConsole(t *testing.T, c console) {
	t.Helper()
	if err := c.Retire(spare); err != nil {
		t.Fatal(err)
	}
	waitGone(t, spare)
}

// waitGone waits until there is no Node of this name.
func waitGone(t *testing.T, name string) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		out, err := kubectl(t, "", "get", "node", name, "--ignore-not-found", "-o", "name")
		if err == nil && out != "" {
			err = fmt.Errorf("node %s is still there", name)
		}
		return err
	})
}

// deviceState lists what a join could leave on a device: files, processes,
// containers and cgroups.
func deviceState(t *testing.T) string {
	t.Helper()
	return onHost(t, spare, `
		for d in /etc/kubeedge /etc/edgeway /var/lib/kubeedge /var/lib/kubelet /var/lib/edgeway /usr/local/bin /var/log/pods /var/log/containers /var/log/kubeedge /run/edgeway; do
			[ -e "$d" ] && find "$d" | sort
		done
		ctr --namespace k8s.io containers list -q | sort
		for c in /sys/fs/cgroup/memory/edgeway/orangepi /sys/fs/cgroup/edgeway/orangepi; do
			[ -d "$c" ] && find "$c" -type d | sort
		done
		true`)
}
