//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/test/onsite"
)

// leaseTime is how long the next edge-watcher waits for one that ended without a
// word: the lease's 15 s, and up to 2.4 s until it tries again.
const leaseTime = 17400 * time.Millisecond

// TestHighAvailability runs two CloudCores and two edge-watchers and takes one away.
func TestHighAvailability(t *testing.T) {
	k := onsite.NewKernels(t, site)
	site.Edgeway(t, "configure", "--set", "ha=true")
	t.Cleanup(func() {
		site.Edgeway(t, "configure", "--set", "ha=false")
		for node := range edgeNodes {
			eventually(t, time.Minute, func() error { return logs(t, node) })
		}
	})
	var cores map[int32]cloudCore
	onsite.Eventually(t, time.Minute, 200*time.Millisecond, func() (err error) {
		cores, err = cloudCores(t)
		if err == nil && len(cores) != 2 {
			err = fmt.Errorf("there are %d CloudCores with a route, want 2: %v", len(cores), cores)
		}
		return err
	})
	recovered(t, k, "HA enabled")
	t.Run("edge-watcher's leader lost", func(t *testing.T) { leaderLost(t, k) })
	t.Run("addresses of two nodes swapped", func(t *testing.T) { addressesSwapped(t, k, cores) })
	t.Run("CloudCore replica lost", func(t *testing.T) { cloudCoreLost(t, k, cores) })
}

// leaderLost kills the leader twice: first nothing else happens, and the next
// leader writes nothing; then a Node changes meanwhile.
func leaderLost(t *testing.T, k *onsite.Kernels) {
	nodes := onsite.NewHollow(t, site.Client(t), "lead", 1, 10350)
	onsite.Eventually(t, 30*time.Second, 200*time.Millisecond, func() error {
		return k.Routed(t.Context(), nodes.Name(1), onsite.HollowIP(1))
	})
	before, err := k.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	killLeader(t)
	time.Sleep(3 * time.Second) // long enough for a leader that wants to write
	after, err := k.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the next leader wrote although nothing had changed (-before +after):\n%s", diff)
	}
	recovered(t, k, "leader lost")

	start := time.Now()
	changed := make(chan error, 1)
	go func() { changed <- nodes.SetIP(t.Context(), 1, onsite.HollowIP(2)) }()
	killLeader(t)
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	onsite.Eventually(t, leaseTime+within-time.Since(start), 50*time.Millisecond, func() error {
		return errors.Join(k.Routed(t.Context(), nodes.Name(1), onsite.HollowIP(2)), k.Compare(t.Context()))
	})
	t.Logf("a Node that changed as the leader died: in every kernel after %s", time.Since(start).Round(time.Millisecond))
	recovered(t, k, "leader lost again")
}

// killLeader ends edge-watcher's leader at once and waits until another one leads.
func killLeader(t *testing.T) {
	t.Helper()
	holder := leader(t)
	pod, _, _ := strings.Cut(holder, "_")
	host := mustKubectl(t, "-n", "kubeedge", "get", "pod", pod, "-o", "jsonpath={.spec.nodeName}")
	onsite.Kill(t, host, "edge-watcher")
	onsite.Eventually(t, time.Minute, 100*time.Millisecond, func() error {
		if now := leader(t); now == holder || now == "" {
			return fmt.Errorf("the lease is still held by %q", now)
		}
		return nil
	})
	if next, _, _ := strings.Cut(leader(t), "_"); next == pod {
		t.Logf("the same pod leads again, as another process")
	}
}

func leader(t *testing.T) string {
	t.Helper()
	return mustKubectl(t, "-n", "kubeedge", "get", "lease", "edge-watcher", "-o", "jsonpath={.spec.holderIdentity}")
}

// addressesSwapped exchanges the addresses of two Nodes whose tunnels end at
// different CloudCores.
func addressesSwapped(t *testing.T, k *onsite.Kernels, cores map[int32]cloudCore) {
	var ports []int32
	for port := range cores {
		ports = append(ports, port)
	}
	nodes := onsite.NewHollow(t, site.Client(t), "swap", 2, ports[0])
	if err := nodes.SetPort(t.Context(), 2, ports[1]); err != nil {
		t.Fatal(err)
	}
	first, second := onsite.HollowIP(1), onsite.HollowIP(2)
	expect := func(ip string, port int32) error { return leadsTo(t, k, ip, cores[port].ip) }
	onsite.Eventually(t, 20*time.Second, 100*time.Millisecond, func() error {
		return errors.Join(expect(first, ports[0]), expect(second, ports[1]))
	})
	err := errors.Join(nodes.SetIP(t.Context(), 1, second), nodes.SetIP(t.Context(), 2, first))
	if err != nil {
		t.Fatal(err)
	}
	took := onsite.Eventually(t, within, 50*time.Millisecond, func() error {
		return errors.Join(expect(second, ports[0]), expect(first, ports[1]), k.Compare(t.Context()))
	})
	t.Logf("addresses swapped in every kernel after %s", took.Round(time.Millisecond))
	cp := site.Namespace(t, "cp")
	for ip, port := range map[string]int32{second: ports[0], first: ports[1]} {
		if err := onsite.Connect(cp, ip+":10250", onsite.Handshake); err != nil {
			t.Fatal(err)
		}
		if seen := onHost(t, "cp", "conntrack -L -p tcp --orig-dst "+ip+" 2>/dev/null"); !strings.Contains(seen, "src="+cores[port].ip+" ") {
			t.Errorf("a connection to %s did not end at CloudCore %s: %s", ip, cores[port].ip, seen)
		}
	}
	recovered(t, k, "addresses swapped")
}

// leadsTo checks where the API sends an address's metrics port.
func leadsTo(t *testing.T, k *onsite.Kernels, ip, core string) error {
	m, err := k.Model(t.Context(), "cp")
	if err != nil {
		return err
	}
	to, ok := m.Expect(netip.MustParseAddr(ip), 10250)
	if !ok || to.Addr().String() != core {
		return fmt.Errorf("%s leads to %v, want CloudCore %s", ip, to, core)
	}
	return nil
}

// cloudCoreLost takes the CloudCore of one edge node away for good: its tunnel
// moves to the other one, and its route with it. What the other one serves does
// not notice.
func cloudCoreLost(t *testing.T, k *onsite.Kernels, cores map[int32]cloudCore) {
	const node = "jetson-xavier"
	lost := kubeletPort(t, node)
	var other int32
	for port := range cores {
		if port != lost {
			other = port
		}
	}
	onsite.NewHollow(t, site.Client(t), "stay", 1, other)
	onsite.Eventually(t, 20*time.Second, 100*time.Millisecond, func() error {
		return errors.Join(leadsTo(t, k, onsite.HollowIP(1), cores[other].ip), k.Compare(t.Context()))
	})
	t.Logf("%s has its tunnel at CloudCore %d (%s), the other is %d", node, lost, cores[lost].pod, other)
	stays := onsite.StartProbe(t, site.Namespace(t, "cp"), onsite.HollowIP(1)+":"+strconv.Itoa(int(other)), 50*time.Millisecond, onsite.Handshake)

	// No replacement may start meanwhile.
	mustKubectl(t, append([]string{"cordon"}, cloudNodes...)...)
	t.Cleanup(func() { mustKubectl(t, append([]string{"uncordon"}, cloudNodes...)...) })
	mustKubectl(t, "-n", "kubeedge", "delete", "pod", cores[lost].pod, "--grace-period=0", "--force", "--wait=false")
	start := time.Now()
	onsite.Eventually(t, 30*time.Second, 50*time.Millisecond, func() error {
		if port := kubeletPort(t, node); port != other {
			return fmt.Errorf("%s has kubelet port %d, want %d", node, port, other)
		}
		return nil
	})
	t.Logf("the tunnel moved %s after the loss", time.Since(start).Round(time.Millisecond))
	onsite.Eventually(t, within, 50*time.Millisecond, func() error {
		return leadsTo(t, k, edgeNodes[node], cores[other].ip)
	})
	recovered(t, k, "CloudCore replica lost")
	stays.MustHaveHeld(t, "TLS handshakes with the CloudCore that stayed", 50)
}

func kubeletPort(t *testing.T, node string) int32 {
	t.Helper()
	port, err := strconv.ParseInt(mustKubectl(t, "get", "node", node, "-o", "jsonpath={.status.daemonEndpoints.kubeletEndpoint.Port}"), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return int32(port)
}

// cloudCore is one replica.
type cloudCore struct{ ip, pod string }

// cloudCores are the replicas with an endpoint, by their tunnel port.
func cloudCores(t *testing.T) (map[int32]cloudCore, error) {
	var targets struct {
		Targets []struct {
			TunnelPort int32 `json:"tunnelPort"`
			Endpoints  []struct {
				Address string `json:"address"`
			} `json:"endpoints"`
		} `json:"targets"`
	}
	out, err := kubectl(t, "", "get", "edgeroutetargets", "cloudcore", "-o", "json")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(out), &targets); err != nil {
		return nil, err
	}
	// One that is on its way out is an endpoint to its end.
	pods := map[string]string{}
	for _, line := range strings.Fields(mustKubectl(t, "-n", "kubeedge", "get", "pods", "-l", "kubeedge=cloudcore",
		"-o", `jsonpath={range .items[*]}{.status.podIP}={.metadata.name}={.metadata.deletionTimestamp}{"\n"}{end}`)) {
		if f := strings.Split(line, "="); len(f) == 3 && f[2] == "" {
			pods[f[0]] = f[1]
		}
	}
	cores := map[int32]cloudCore{}
	for _, target := range targets.Targets {
		for _, e := range target.Endpoints {
			if pod := pods[e.Address]; pod != "" {
				cores[target.TunnelPort] = cloudCore{ip: e.Address, pod: pod}
			}
		}
	}
	return cores, nil
}
