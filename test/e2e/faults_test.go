//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/test/onsite"
)

// within is what is promised after every fault: by then the kernel of every cloud
// node holds what the API says. On a machine that is busy with other things,
// EDGEWAY_PATIENCE=3 waits three times as long.
var within = 5 * time.Second * time.Duration(patience())

func patience() int {
	if n, err := strconv.Atoi(os.Getenv("EDGEWAY_PATIENCE")); err == nil && n > 0 {
		return n
	}
	return 1
}

// recovered checks the promise and then that a request takes the routes again.
func recovered(t *testing.T, k *onsite.Kernels, what string) {
	t.Helper()
	took := k.WaitEqual(t, within)
	t.Logf("%s: kernels equal to the API after %s", what, took.Round(time.Millisecond))
	for node := range edgeNodes {
		eventually(t, 20*time.Second, func() error { return logs(t, node) })
	}
}

// TestOperatorKilledInMidSync kills the operators while routes change as fast as
// the API takes it.
func TestOperatorKilledInMidSync(t *testing.T) {
	k := onsite.NewKernels(t, site)
	const count = 600 // three slices
	nodes := onsite.NewHollow(t, site.Client(t), "churn", count, 10351)
	onsite.Eventually(t, 30*time.Second, 200*time.Millisecond, func() error {
		return k.Routed(t.Context(), nodes.Name(count), onsite.HollowIP(count))
	})
	for round := range 3 {
		changes := startChurn(t, nodes, count)
		time.Sleep(time.Second + rand.N(time.Second))
		for _, host := range cloudNodes {
			old := onsite.Processes(t, host, "iptables-operator")
			onsite.Kill(t, host, "iptables-operator")
			onsite.WaitProcess(t, host, "iptables-operator", old)
		}
		// Back at work, and killed again while it reads everything.
		n := changes()
		recovered(t, k, fmt.Sprintf("round %d, killed amid %d changes", round+1, n))
		if round < 2 {
			// A kubelet starts a container that ends often ever later; a new pod it starts
			// at once.
			replaceOperators(t)
		}
	}
}

// replaceOperators deletes the operators' pods and waits for the next ones.
func replaceOperators(t *testing.T) {
	t.Helper()
	mustKubectl(t, "-n", "kubeedge", "delete", "pod", "-l", "app.kubernetes.io/name=iptables-operator")
	mustKubectl(t, "-n", "kubeedge", "rollout", "status", operator, "--timeout=60s")
}

// startChurn changes hollow Nodes until the returned function is called, which
// tells how many changes were made.
func startChurn(t *testing.T, nodes *onsite.Hollow, count int) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var changes atomic.Int32
	var workers sync.WaitGroup
	for range 6 {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := 1 + rand.IntN(count)
				err := nodes.SetIP(ctx, i, onsite.HollowIP(i+count*rand.IntN(3)))
				if err == nil {
					err = nodes.SetPort(ctx, i, []int32{0, 10350, 10351}[rand.IntN(3)])
				}
				if err != nil && ctx.Err() == nil {
					t.Errorf("change a node: %v", err)
					return
				}
				changes.Add(2)
			}
		})
	}
	return func() int {
		cancel()
		workers.Wait()
		return int(changes.Load())
	}
}

// flushRulesets empties nf_tables on every cloud node. What is not ours is put back.
func flushRulesets(t *testing.T) {
	t.Helper()
	for _, host := range cloudNodes {
		network := onHost(t, host, "nft list table ip sandbox")
		onHost(t, host, "nft flush ruleset")
		// kube-proxy looks after its rules once an hour only, or when it starts.
		onsite.Kill(t, host, "kube-proxy")
		site.OnHostWith(t, host, network, "nft -f -")
	}
}

// TestRulesetFlushed empties nf_tables, as a firewall's reload may.
func TestRulesetFlushed(t *testing.T) {
	k := onsite.NewKernels(t, site)
	before := map[string]float64{}
	for _, host := range cloudNodes {
		before[host] = k.Handle(t, host)
	}
	flushRulesets(t)
	recovered(t, k, "nft flush ruleset")
	for _, host := range cloudNodes {
		if after := k.Handle(t, host); after == before[host] || after == 0 {
			t.Errorf("%s: table %s has handle %v, before %v: it was not flushed at all", host, onsite.OwnTable, after, before[host])
		}
		eventually(t, time.Minute, func() error {
			if !strings.Contains(onHost(t, host, "nft list tables"), "kube-proxy") {
				return errors.New("kube-proxy's rules are not back")
			}
			return nil
		})
	}
}

// TestIptablesFlushed empties iptables, of both variants, on every cloud node.
func TestIptablesFlushed(t *testing.T) {
	k := onsite.NewKernels(t, site)
	for _, host := range cloudNodes {
		for _, program := range []string{"iptables-nft", "iptables-legacy"} {
			for _, args := range []string{"-A OUTPUT -p tcp --dport 9 -j DROP", "-F", "-t nat -F", "-X", "-t nat -X"} {
				onHost(t, host, program+" "+args)
			}
		}
	}
	recovered(t, k, "iptables flush")
}

// TestOperatorCutOff takes one operator's way to the API server away while routes
// change; the others follow at once, and it does when the way is back.
func TestOperatorCutOff(t *testing.T) {
	const host = "worker"
	k := onsite.NewKernels(t, site)
	nodes := onsite.NewHollow(t, site.Client(t), "cut", 20, 10351)
	onsite.Eventually(t, 30*time.Second, 200*time.Millisecond, func() error {
		return k.Routed(t.Context(), nodes.Name(20), onsite.HollowIP(20))
	})
	k.WaitEqual(t, within)
	// The node's own processes only: pods' packets are forwarded.
	onHost(t, host, `nft 'table inet cut { chain output { type filter hook output priority 10; ip daddr 198.18.0.2 tcp dport 6443 reject with tcp reset; }; }'`)
	restore := sync.OnceFunc(func() { onHost(t, host, "nft delete table inet cut") })
	t.Cleanup(restore)
	for i := 1; i <= 20; i++ {
		if err := nodes.SetIP(t.Context(), i, onsite.HollowIP(1000+i)); err != nil {
			t.Fatal(err)
		}
	}
	onsite.Eventually(t, 20*time.Second, 200*time.Millisecond, func() error {
		return k.Routed(t.Context(), nodes.Name(20), onsite.HollowIP(1020))
	})
	time.Sleep(10 * time.Second)
	if err := k.Compare(t.Context()); err == nil || strings.Contains(err.Error(), "cp:") {
		t.Errorf("during the cut the difference is %v; want one of %s alone", err, host)
	}
	restore()
	recovered(t, k, "cut off from the API server")
}

// TestHalfOpenConnections ends the API server's side of the worker's connections
// while nobody there can hear it: a watch that waits for events has nothing to
// notice that by but its own health check.
func TestHalfOpenConnections(t *testing.T) {
	k := onsite.NewKernels(t, site)
	nodes := onsite.NewHollow(t, site.Client(t), "half", 1, 10351)
	onsite.Eventually(t, 30*time.Second, 200*time.Millisecond, func() error {
		return k.Routed(t.Context(), nodes.Name(1), onsite.HollowIP(1))
	})
	k.WaitEqual(t, within)
	// A second one may be left of an earlier fault, and stays while single requests
	// take it and the watches take the other: both are to be noticed.
	old := operatorConnections(t)
	if len(old) == 0 {
		t.Fatal("the worker's operator has no connection to the API server")
	}
	onHost(t, "cp", `nft 'table inet half { chain output { type filter hook output priority 10; tcp sport 6443 tcp flags rst drop; }; }'`)
	restore := sync.OnceFunc(func() { onHost(t, "cp", "nft delete table inet half") })
	t.Cleanup(restore)
	onHost(t, "cp", "ss --kill --tcp state established sport = :6443 dst 198.18.0.3")
	restore()
	// One that was idle for long may end on its own just now; a new one, or none left,
	// would say that the operator has noticed.
	now := operatorConnections(t)
	isNew := func(c string) bool { return !slices.Contains(old, c) }
	if len(now) == 0 || slices.ContainsFunc(now, isNew) {
		t.Fatalf("the operator was to notice nothing, but its connections, before:\n%q\nare:\n%q", old, now)
	}
	if err := nodes.SetIP(t.Context(), 1, onsite.HollowIP(1001)); err != nil {
		t.Fatal(err)
	}
	onsite.Eventually(t, 20*time.Second, 50*time.Millisecond, func() error {
		return k.Routed(t.Context(), nodes.Name(1), onsite.HollowIP(1001))
	})
	recovered(t, k, "half-open connections")
}

// operatorConnections are the TCP connections of the worker's operator to the API
// server, each as "its address the server's address".
func operatorConnections(t *testing.T) []string {
	t.Helper()
	out := onHost(t, "worker", `ss -Htnp state established "( dport = :443 or dport = :6443 )" | grep iptables-operat | awk '{print $3, $4}' | sort`)
	return strings.FieldsFunc(out, func(r rune) bool { return r == '\n' })
}

// TestAPIServerDown ends kube-apiserver for a minute. Routes serve all the while,
// and what changes right after its return arrives in time.
func TestAPIServerDown(t *testing.T) {
	k := onsite.NewKernels(t, site)
	cp := site.Namespace(t, "cp")
	probes := map[string]*onsite.Probe{}
	for node, address := range edgeNodes {
		probes[node] = onsite.StartProbe(t, cp, address+":10350", 100*time.Millisecond, onsite.Handshake)
	}
	start := onsite.StopService(t, "cp", "kube-apiserver")
	time.Sleep(time.Second)
	if out, err := kubectl(t, "", "get", "nodes", "--request-timeout=2s"); err == nil {
		t.Errorf("the API server answers although it was ended: %s", out)
	}
	time.Sleep(59 * time.Second)
	start()
	onsite.Eventually(t, time.Minute, 50*time.Millisecond, func() error {
		_, err := kubectl(t, "", "get", "--raw", "/readyz", "--request-timeout=2s")
		return err
	})
	// edge-watcher may still wait for its lease; the operators obey the API itself.
	slice := &v1alpha1.EdgeRouteSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "after-the-outage"},
		Routes:     []v1alpha1.EdgeRoute{{Node: "nobody", Address: onsite.HollowIP(1), Ports: []int32{10250, 10350}, Target: "10351"}},
	}
	if err := k.Create(t.Context(), slice); err != nil {
		t.Fatal(err)
	}
	recovered(t, k, "API server down for 60 s")
	for node, p := range probes {
		p.MustHaveHeld(t, "TLS handshakes with the CloudCore of "+node+" over the outage", 300)
	}
	// Nobody's route goes when edge-watcher is back in office.
	onsite.Eventually(t, 90*time.Second, 200*time.Millisecond, func() error {
		slices, err := k.Slices(t.Context())
		for _, s := range slices {
			if s.Name == slice.Name {
				return errors.New("edge-watcher has not removed a slice that is none of its own")
			}
		}
		return err
	})
	k.WaitEqual(t, within)
}
