package onsite

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// Namespace is the network namespace of a host.
func (s Site) Namespace(t testing.TB, host string) *lab.NS {
	t.Helper()
	file := filepath.Join(s.Root, ".sandbox", "hosts", host, "run", "anchor.pid")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, _, _ := strings.Cut(string(b), " ")
	return lab.At(t, "/proc/"+pid+"/ns/net")
}

// NamespaceOf is the network namespace of a pod, given a program that runs in it
// and nowhere else on the host.
func (s Site) NamespaceOf(t testing.TB, host, program string) *lab.NS {
	t.Helper()
	pids := Processes(t, host, program)
	if len(pids) == 0 {
		t.Fatalf("%s does not run on %s", program, host)
	}
	return lab.At(t, fmt.Sprintf("/proc/%d/ns/net", pids[0]))
}

// Processes lists the processes of a host, its pods included, that run a program.
func Processes(t testing.TB, host, program string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && runs(pid, program) && belongs(pid, host) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// runs looks at the command line, since the sandbox's Kubernetes programs are one
// executable. Processes may end while we look.
func runs(pid int, program string) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	first, _, _ := bytes.Cut(b, []byte{0})
	return err == nil && filepath.Base(string(first)) == program
}

func belongs(pid int, host string) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return false
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if strings.HasSuffix(line, ":/edgeway/"+host) || strings.Contains(line, ":/edgeway/"+host+"/") {
			return true
		}
	}
	return false
}

// Kill sends SIGKILL to the processes of a host that run a program.
func Kill(t testing.TB, host, program string) {
	t.Helper()
	signal(t, host, program, syscall.SIGKILL)
}

// StopService ends a service of a host and keeps it from coming back until start
// is called: its supervisor sleeps meanwhile.
func StopService(t testing.TB, host, program string) (start func()) {
	t.Helper()
	services := Processes(t, host, program)
	if len(services) != 1 {
		t.Fatalf("%s has processes %v that run %s, want one", host, services, program)
	}
	supervisor := parent(t, services[0])
	resume := func() { _ = syscall.Kill(supervisor, syscall.SIGCONT) }
	t.Cleanup(resume)
	if err := syscall.Kill(supervisor, syscall.SIGSTOP); err != nil {
		t.Fatalf("stop the supervisor of %s: %v", program, err)
	}
	signal(t, host, program, syscall.SIGKILL)
	return resume
}

func signal(t testing.TB, host, program string, sig syscall.Signal) {
	t.Helper()
	pids := Processes(t, host, program)
	if len(pids) == 0 {
		t.Fatalf("%s does not run on %s", program, host)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatalf("signal %v to %s on %s: %v", sig, program, host, err)
		}
	}
}

// parent reads field 4 of /proc/PID/stat (proc(5)).
func parent(t testing.TB, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 2 {
		t.Fatalf("/proc/%d/stat is %q", pid, b)
	}
	ppid, err := strconv.Atoi(f[1])
	if err != nil {
		t.Fatal(err)
	}
	return ppid
}

// WaitProcess waits until another process than the old ones runs a program.
func WaitProcess(t testing.TB, host, program string, old []int) {
	t.Helper()
	Eventually(t, time.Minute, 50*time.Millisecond, func() error {
		for _, pid := range Processes(t, host, program) {
			fresh := true
			for _, o := range old {
				fresh = fresh && o != pid
			}
			if fresh {
				return nil
			}
		}
		return fmt.Errorf("%s does not run again on %s", program, host)
	})
}
