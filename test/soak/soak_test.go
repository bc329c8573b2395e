//go:build e2e

package soak

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/test/netns/lab"
	"github.com/edgeway-io/edgeway/test/onsite"
)

// site is the running sandbox.
var site onsite.Site

// machine is the network namespace in which the tests began. /proc/self/ns/net is that
// of the process's first thread, which may have gone elsewhere when a test looks.
var machine string

func TestMain(m *testing.M) {
	own, err := os.Open("/proc/self/ns/net")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	machine = fmt.Sprintf("/proc/self/fd/%d", own.Fd())
	if site, err = onsite.Read(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	own.Close() // kept open until here
	os.Exit(code)
}

const (
	// changes of others; the operators restart after a third of them, and the chart
	// is upgraded after two thirds.
	changes = 1000
	// The first hollow Node keeps its route, the second one's moves, the others change.
	steadyNode, movingNode, firstOther, lastOther = 1, 2, 3, 60
	metricsPort                                   = ":10250"
)

func noCancel(t *testing.T) context.Context { return context.WithoutCancel(t.Context()) }

// who asks a responder for its name.
func who(conn net.Conn) (string, error) {
	if _, err := io.WriteString(conn, "who\n"); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

// is asks a connection whether it ends at the named responder.
func is(name string) func(net.Conn) error {
	return func(conn net.Conn) error {
		got, err := who(conn)
		if err == nil && got != name {
			err = fmt.Errorf("answered by %q, want %q", got, name)
		}
		return err
	}
}

// sources are where connections to edge nodes come from: a control plane's own
// process, as kube-apiserver is, and a pod that may, as metrics-server.
func sources(t *testing.T) map[string]*lab.NS {
	return map[string]*lab.NS{
		"a process on the control plane": site.Namespace(t, "cp"),
		"a pod on the worker":            site.NamespaceOf(t, "worker", "metrics-server"),
	}
}

// TestUnaffectedRouteNeverFails opens a connection through one route every 10 ms,
// from two places, while a thousand other things change, the operators restart and
// the chart is upgraded.
func TestUnaffectedRouteNeverFails(t *testing.T) {
	client := site.Client(t)
	k := onsite.NewKernels(t, site)
	steady, other := startResponders(t, client)
	// Of several Nodes with one address the oldest has it, and a Node's age is in whole
	// seconds.
	onsite.NewHollow(t, client, "soak", steadyNode, steady.port)
	time.Sleep(1500 * time.Millisecond)
	nodes := onsite.NewHollow(t, client, "soak", lastOther, other.port)
	address := onsite.HollowIP(steadyNode) + metricsPort
	from := sources(t)
	for name, ns := range from {
		onsite.Eventually(t, 30*time.Second, 100*time.Millisecond, func() error { return onsite.Connect(ns, address, is(steady.name)) })
		t.Logf("%s reaches %s through the route of a Node", name, steady.name)
	}
	k.WaitEqual(t, 10*time.Second)

	seed := seed(t)
	c := &changer{
		random: rand.New(rand.NewPCG(seed, 0)), client: client, nodes: nodes, first: firstOther, last: lastOther,
		other: other, steadyIP: onsite.HollowIP(steadyNode), steadyPort: steady.port,
	}
	probes := map[string]*onsite.Probe{}
	for name, ns := range from {
		probes[name] = onsite.StartProbe(t, ns, address, 10*time.Millisecond, is(steady.name))
	}
	made := changeAll(t, c)
	t.Logf("seed %d: %d changes: %v", seed, changes, made)
	// The last change is in the kernels before the probes end.
	k.WaitEqual(t, 30*time.Second)
	for name, p := range probes {
		p.MustHaveHeld(t, name, 3000)
	}
}

func seed(t *testing.T) uint64 {
	t.Helper()
	text, given := os.LookupEnv("EDGEWAY_SOAK_SEED")
	if !given {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("EDGEWAY_SOAK_SEED is %q; give a number", text)
	}
	return seed
}

// changeAll makes all changes, with the restart and the upgrade among them, and
// counts them by kind.
func changeAll(t *testing.T, c *changer) map[string]int {
	made := map[string]int{}
	var background []<-chan error
	start := time.Now()
	for n := range changes {
		switch n {
		case changes / 3:
			background = append(background, inBackground(t, "operators restarted", restartOperators))
		case changes * 2 / 3:
			background = append(background, inBackground(t, "chart upgraded", upgradeChart))
		}
		kind, err := c.change(t.Context())
		if err != nil {
			t.Fatalf("change %d: %v", n+1, err)
		}
		made[kind]++
		// A change a little after another is the common case; some come at once.
		time.Sleep(time.Duration(c.random.Int64N(int64(60 * time.Millisecond))))
	}
	t.Logf("%d changes in %s", changes, time.Since(start).Round(time.Second))
	if err := c.labelAll(t.Context()); err != nil {
		t.Error(err)
	}
	for _, done := range background {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return made
}

func inBackground(t *testing.T, what string, do func(*testing.T) error) <-chan error {
	done := make(chan error, 1)
	start := time.Now()
	go func() {
		err := do(t)
		if err != nil {
			err = fmt.Errorf("%s: %w", what, err)
		}
		t.Logf("%s: took %s", what, time.Since(start).Round(time.Second))
		done <- err
	}()
	return done
}

// restartOperators ends every operator at once and lets its kubelet start it again,
// then replaces their pods one after the other.
func restartOperators(t *testing.T) error {
	for _, host := range onsite.CloudNodes {
		onsite.Kill(t, host, "iptables-operator")
	}
	if _, err := site.RunKubectl(t, "", "-n", "kubeedge", "rollout", "restart", "daemonset/iptables-operator"); err != nil {
		return err
	}
	return site.RolledOut(t, "daemonset/iptables-operator")
}

// upgradeChart brings a chart of another version; the site's own comes back at the
// test's end.
func upgradeChart(t *testing.T) error {
	t.Cleanup(func() { site.Edgeway(t, "enable", "-f", filepath.Join(site.Root, ".sandbox", "settings.yaml")) })
	return site.HelmUpgrade(t, "0.99.0")
}

// TestMovingRouteResetsOnce keeps a connection to a Node open while its tunnel
// moves from one CloudCore to the other: the next request is reset, and its retry
// reaches the new one.
func TestMovingRouteResetsOnce(t *testing.T) {
	client := site.Client(t)
	one, two := startResponders(t, client)
	nodes := onsite.NewHollow(t, client, "soak", movingNode, one.port)
	address := onsite.HollowIP(movingNode) + metricsPort
	const moves = 20
	for name, ns := range sources(t) {
		from, to := one, two
		if err := nodes.SetPort(t.Context(), movingNode, from.port); err != nil {
			t.Fatal(err)
		}
		onsite.Eventually(t, 30*time.Second, 100*time.Millisecond, func() error { return onsite.Connect(ns, address, is(from.name)) })
		for n := range moves {
			kept, requests, err := keepAsking(ns, address, from.name, func() error { return nodes.SetPort(t.Context(), movingNode, to.port) })
			if err != nil {
				t.Fatalf("%s, move %d: %v", name, n+1, err)
			}
			if !onsite.IsReset(kept) {
				t.Errorf("%s, move %d: after %d requests the open connection ended with %v, want a reset", name, n+1, requests, kept)
			}
			// At once, with no time for anything to settle.
			if err := onsite.Connect(ns, address, is(to.name)); err != nil {
				t.Errorf("%s, move %d: the retry: %v", name, n+1, err)
			}
			from, to = to, from
		}
		t.Logf("%s: %d moves, each reset the open connection once and the retry reached the new CloudCore", name, moves)
	}
}

// keepAsking sends requests over one connection while move happens, until one
// fails, and returns with what. All answers must come from the old CloudCore.
func keepAsking(ns *lab.NS, address, old string, move func() error) (ended error, requests int, err error) {
	conn, err := onsite.Dial(ns, address)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, 0, err
	}
	moved := make(chan error, 1)
	for ; ; requests++ {
		if requests == 3 {
			go func() { moved <- move() }()
		}
		if ended = is(old)(conn); ended != nil {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	if requests < 3 {
		return ended, requests, fmt.Errorf("the connection ended before the move: %w", ended)
	}
	return ended, requests, errors.Join(<-moved)
}
