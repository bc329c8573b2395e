package hosts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// CgroupRoot is the cgroup of the whole sandbox below every hierarchy's root.
const CgroupRoot = "/edgeway"

const cgroupFS = "/sys/fs/cgroup"

// systemLeaf holds the services of a host. It is a leaf of its own because on
// cgroup v2 a group with controllers for its children may hold no process.
const systemLeaf = "system"

// hierarchies gives the mount point of every cgroup hierarchy: one on cgroup v2,
// one per controller on v1, there with "unified" beside them, which has no
// controllers but in which runc makes a group for every container all the same.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(cgroupFS + "/cgroup.controllers"); err == nil {
		return []string{cgroupFS}, nil
	}
	entries, err := os.ReadDir(cgroupFS)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", cgroupFS, err)
	}
	var dirs []string
	for _, e := range entries {
		// Links such as cpu -> cpu,cpuacct are the same hierarchy again.
		if e.IsDir() {
			dirs = append(dirs, filepath.Join(cgroupFS, e.Name()))
		}
	}
	return dirs, nil
}

// makeCgroups creates the host's cgroups in every hierarchy.
func (h Host) makeCgroups() error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		dir := root
		for _, part := range strings.Split(strings.Trim(h.Cgroup(), "/")+"/"+systemLeaf, "/") {
			if part != systemLeaf {
				if err := delegate(dir); err != nil {
					return err
				}
			}
			parent := dir
			dir = filepath.Join(dir, part)
			if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("creating cgroup: %w", err)
			}
			if err := copyCpuset(parent, dir); err != nil {
				return err
			}
		}
		if err := delegate(filepath.Join(root, h.Cgroup())); err != nil {
			return err
		}
	}
	return nil
}

// delegate lets the children of a cgroup v2 group use its controllers; on v1
// there is nothing to do.
func delegate(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading controllers: %w", err)
	}
	for _, c := range strings.Fields(string(b)) {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o644); err != nil {
			return fmt.Errorf("delegating %s in %s: %w", c, dir, err)
		}
	}
	return nil
}

// copyCpuset fills a new cpuset cgroup of v1, which takes no process before it
// has CPUs and memory nodes.
func copyCpuset(parent, dir string) error {
	for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
		have, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil || strings.TrimSpace(string(have)) != "" {
			continue // not a cpuset hierarchy, or filled already
		}
		b, err := os.ReadFile(filepath.Join(parent, f))
		if err != nil {
			return fmt.Errorf("cpuset: %w", err)
		}
		if v := strings.TrimSpace(string(b)); v != "" {
			if err := os.WriteFile(filepath.Join(dir, f), []byte(v), 0o644); err != nil {
				return fmt.Errorf("cpuset: %w", err)
			}
		}
	}
	return nil
}

// EnterCgroups moves the calling process, and with it all that it starts later,
// into the host's cgroup of every hierarchy.
func (h Host) EnterCgroups() error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		procs := filepath.Join(root, h.Cgroup(), systemLeaf, "cgroup.procs")
		if err := os.WriteFile(procs, []byte("0"), 0o644); err != nil {
			return fmt.Errorf("entering cgroup: %w", err)
		}
	}
	return nil
}

// processes lists the processes in a cgroup and all below it.
func processes(cgroup string) ([]int, error) {
	roots, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, root := range roots {
		err := filepath.WalkDir(filepath.Join(root, cgroup), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a pod's group can go while we look
			}
			if err != nil || d.Name() != "cgroup.procs" {
				return err
			}
			b, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
				return nil
			}
			for _, s := range strings.Fields(string(b)) {
				if pid, err := strconv.Atoi(s); err == nil && pid > 0 && !slices.Contains(pids, pid) {
					pids = append(pids, pid)
				}
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", cgroup, err)
		}
	}
	return pids, nil
}

// KillCgroup kills every process in a cgroup and below, then removes the groups.
// It is how a host ends, whatever state a crash left it in. A process that enters
// while this happens is killed too: the groups go only when they stay empty.
func KillCgroup(cgroup string) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		pids, err := processes(cgroup)
		if err != nil {
			return err
		}
		pids = slices.DeleteFunc(pids, func(pid int) bool { return pid == os.Getpid() })
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(pids) == 0 {
			err = removeCgroup(cgroup)
			if err == nil {
				return nil
			}
		} else {
			err = fmt.Errorf("processes %v in cgroup %s do not end on SIGKILL", pids, cgroup)
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func removeCgroup(cgroup string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		var dirs []string
		_ = filepath.WalkDir(filepath.Join(root, cgroup), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		slices.Reverse(dirs) // children first
		for _, d := range dirs {
			if err := syscall.Rmdir(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("removing cgroup %s: %w", d, err)
			}
		}
	}
	return nil
}

// Anchors notes the anchors of hosts; what it returns waits until they have ended. The
// first process of a PID namespace outlives its cgroup: it goes when the last process
// of the namespace has been waited for, and some of them only the machine's init waits for.
func Anchors(list []Host) func(context.Context) error {
	var pids []int
	for _, h := range list {
		if pid, err := h.Pid(); err == nil {
			pids = append(pids, pid)
		}
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		for _, pid := range pids {
			for {
				if _, err := startTime(pid); err != nil {
					break
				}
				select {
				case <-ctx.Done():
					return fmt.Errorf("process %d, a host's first, does not end: %w", pid, ctx.Err())
				case <-time.After(20 * time.Millisecond):
				}
			}
		}
		return nil
	}
}
