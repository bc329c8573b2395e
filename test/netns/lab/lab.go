// Package lab makes small networks out of network namespaces for tests of the
// real kernel. Everything that a Lab makes has the process's id in its name and is
// removed at the test's end.
package lab

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

var serial atomic.Int32

// T is what a Lab needs of a test; a benchmark program has its own.
type T interface {
	Helper()
	Cleanup(func())
	// Fatal and Fatalf do not return.
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// NS is a network namespace with loopback up.
type NS struct {
	Name string
	// FD stays open as long as the test runs.
	FD int
	t  T
}

// New makes a namespace; role becomes part of its name.
func New(t T, role string) *NS {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("network namespaces need root: run this test as root")
	}
	name := fmt.Sprintf("ew%d-%d-%s", os.Getpid(), serial.Add(1), role)
	Run(t, "ip", "netns", "add", name)
	t.Cleanup(func() { Run(t, "ip", "netns", "del", name) })
	fd, err := unix.Open("/run/netns/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open namespace %s: %v", name, err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	ns := &NS{Name: name, FD: fd, t: t}
	ns.IP("link", "set", "lo", "up")
	return ns
}

// Run runs a command and fails the test when it fails.
func Run(t T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// IP runs ip(8) on the namespace.
func (n *NS) IP(args ...string) string {
	n.t.Helper()
	return Run(n.t, "ip", append([]string{"-n", n.Name}, args...)...)
}

// Exec runs a command in the namespace.
func (n *NS) Exec(args ...string) string {
	n.t.Helper()
	return Run(n.t, "nsenter", append([]string{"--net=/run/netns/" + n.Name}, args...)...)
}

// Sysctl sets a network sysctl of the namespace, such as "net.ipv4.ip_forward".
func (n *NS) Sysctl(name, value string) {
	n.t.Helper()
	path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	if err := n.Do(func() error { return os.WriteFile(path, []byte(value), 0o644) }); err != nil {
		n.t.Fatalf("set %s=%s: %v", name, value, err)
	}
}

// Do calls f on a thread in the namespace. Sockets that f makes stay in it.
func (n *NS) Do(f func() error) error {
	result := make(chan error, 1)
	go func() {
		// The thread ends with the goroutine, so it never has to be set back.
		runtime.LockOSThread()
		if err := unix.Setns(n.FD, unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("enter namespace %s: %w", n.Name, err)
			return
		}
		result <- f()
	}()
	return <-result
}

// Link connects two namespaces by a veth pair; devices are named after the peers.
// The addresses are CIDRs.
func Link(t T, a *NS, aDev string, aAddrs []string, b *NS, bDev string, bAddrs []string) {
	t.Helper()
	a.IP("link", "add", aDev, "type", "veth", "peer", "name", bDev, "netns", b.Name)
	for _, end := range []struct {
		ns    *NS
		dev   string
		addrs []string
	}{{a, aDev, aAddrs}, {b, bDev, bAddrs}} {
		for _, addr := range end.addrs {
			end.ns.IP("addr", "add", addr, "dev", end.dev, "nodad")
		}
		end.ns.IP("link", "set", end.dev, "up")
	}
}
