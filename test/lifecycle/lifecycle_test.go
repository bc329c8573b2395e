//go:build e2e

// Package lifecycle proves that the sandbox leaves the machine as it found it:
// after `down`, after a crash, and when `up` is refused.
package lifecycle

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var root = func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return filepath.Dir(filepath.Dir(dir))
}()

func sandbox(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(root, "bin", "sandbox"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("sandbox %v: %v:\n%s", args, err, out)
	}
	return string(out)
}

// TestDownLeavesNothing compares the machine before `up` with the machine after
// `up` with all that it can bring up, use and `down`, and after `up`, a crash, `down`,
// `up` and `down`.
func TestDownLeavesNothing(t *testing.T) {
	sandbox(t, "down")
	before := machineState(t)

	sandbox(t, "up", "--clusters", "2", "--spares", "1")
	t.Run("second cluster", secondCluster)
	sandbox(t, "down")
	compare(t, "after up and down", before, machineState(t))

	sandbox(t, "up")
	crash(t)
	sandbox(t, "down")
	compare(t, "after a crash and down", before, machineState(t))
	sandbox(t, "up") // the site that the other tests found is back
}

// TestUpCleansUpWhenItEndsEarly interrupts `up` in several of its steps: what was
// made until then goes again.
func TestUpCleansUpWhenItEndsEarly(t *testing.T) {
	sandbox(t, "down")
	before := machineState(t)
	for _, during := range []string{"making hosts", "starting the control plane", "starting cloud nodes", "starting the edge hosts' runtimes"} {
		t.Run(during, func(t *testing.T) {
			interruptUp(t, during)
			compare(t, "after an interrupted up", before, machineState(t))
		})
	}
	sandbox(t, "up") // the site that the other tests found is back
}

// interruptUp starts `up` and interrupts it when it says that a step begins.
func interruptUp(t *testing.T, during string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(root, "bin", "sandbox"), "up")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killer := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	var said strings.Builder
	buf := make([]byte, 4096)
	for interrupted := false; ; {
		n, err := out.Read(buf)
		said.Write(buf[:n])
		if !interrupted && strings.Contains(said.String(), during) {
			interrupted = true
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Errorf("an interrupted up succeeded:\n%s", said.String())
	}
	if !strings.Contains(said.String(), "cleaning up") {
		t.Errorf("up does not say that it cleans up:\n%s", said.String())
	}
}

func compare(t *testing.T, when string, before, after map[string][]string) {
	t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("%s the machine differs (-before +after):\n%s", when, diff)
	}
}

// machineState is everything that a sandbox could leave behind.
func machineState(t *testing.T) map[string][]string {
	t.Helper()
	state := map[string][]string{
		"interfaces": lines(t, "ip", "-brief", "link"),
		"routes":     lines(t, "ip", "route", "show", "table", "all"),
		"rules":      lines(t, "ip", "rule"),
		"nftables":   lines(t, "nft", "list", "ruleset"),
		"namespaces": lines(t, "lsns", "--noheadings", "--output", "TYPE,NS", "--type", "net", "--type", "mnt", "--type", "uts"),
		"mounts":     mounts(t),
		"cgroups":    cgroups(t),
		"files":      files(t),
		"processes":  lines(t, "sh", "-c", "ps -eo stat=,comm= | grep -v ^Z | awk '{print $2}' | grep -E '^(containerd|kubelet|kube-|etcd|cloudcore|edgecore|sandbox|edgeway|edge-watcher)' || true"),
		"tunables":   lines(t, "sysctl", "vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops", "kernel.keys.root_maxkeys", "net.ipv4.ip_forward", "net.netfilter.nf_conntrack_max"),
	}
	// lsns lists one line a namespace and kind; the test's own are in both.
	for _, l := range state {
		slices.Sort(l)
	}
	return state
}

func lines(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	var kept []string
	for _, l := range strings.Split(string(out), "\n") {
		if l = strings.TrimSpace(l); l != "" {
			kept = append(kept, l)
		}
	}
	return kept
}

// mounts lists the machine's mount points.
func mounts(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var points []string
	for _, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		points = append(points, strings.Fields(l)[4])
	}
	return points
}

func cgroups(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// files lists what a Kubernetes node or an edge node would leave on a disk, and
// the work tree's own state.
func files(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, dir := range []string{"/etc/kubeedge", "/var/lib/kubelet", "/var/lib/kubeedge", "/var/lib/containerd", "/var/lib/cni", "/var/log/pods", "/var/log/containers", "/run/containerd", "/run/netns", "/etc/cni", filepath.Join(root, ".sandbox")} {
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				found = append(found, path)
			}
			return nil
		})
	}
	return found
}

// crash kills the sandbox's processes without order: every second one, so that
// supervisors, anchors, containers and programs are hit in a mix.
func crash(t *testing.T) {
	t.Helper()
	var pids []int
	err := filepath.WalkDir(pidsCgroup(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "cgroup.procs" {
			return nil
		}
		b, _ := os.ReadFile(path)
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pids) < 20 {
		t.Fatalf("found only %d processes of the sandbox: %v", len(pids), pids)
	}
	slices.Sort(pids)
	for i := 0; i < len(pids); i += 2 {
		_ = syscall.Kill(pids[i], syscall.SIGKILL)
	}
}

// pidsCgroup is a hierarchy in which every process of the sandbox is.
func pidsCgroup(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"/sys/fs/cgroup/pids/edgeway", "/sys/fs/cgroup/edgeway"} {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	t.Fatal(fmt.Errorf("the sandbox has no cgroup"))
	return ""
}
