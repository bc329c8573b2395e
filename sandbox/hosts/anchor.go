package hosts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// overlaid directories are the machine's, with every write kept in the host's
// memory: installers and services may write there and the machine stays clean.
var overlaid = []string{"/etc", "/var", "/usr/local"}

// kernelTunables are what a kubelet wants of settings that belong to the whole
// machine (k8s.io/component-helpers/node/util/sysctl). A file with the wanted
// value in front of each keeps the kubelet content and the machine as it was.
var kernelTunables = map[string]string{
	"/proc/sys/vm/overcommit_memory":      "1",
	"/proc/sys/vm/panic_on_oom":           "0",
	"/proc/sys/kernel/panic":              "10",
	"/proc/sys/kernel/panic_on_oops":      "1",
	"/proc/sys/kernel/keys/root_maxkeys":  "1000000",
	"/proc/sys/kernel/keys/root_maxbytes": "25000000",
}

// RunAnchor is the body of a host's first process. It runs inside the new
// namespaces, makes them the host's, writes the pid file and waits to be ended.
func RunAnchor(configFile string) error {
	h, err := load(configFile)
	if err != nil {
		return err
	}
	if err := h.EnterCgroups(); err != nil {
		return err
	}
	if err := h.mountAll(); err != nil {
		return fmt.Errorf("host %s: %w", h.Name, err)
	}
	if err := unix.Sethostname([]byte(h.Name)); err != nil {
		return fmt.Errorf("hostname: %w", err)
	}
	for key, value := range h.Sysctls {
		if err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0o644); err != nil {
			return fmt.Errorf("sysctl %s: %w", key, err)
		}
	}
	pid, err := machinePid()
	if err != nil {
		return err
	}
	if err := writePid(h.pidFile("anchor"), pid); err != nil {
		return err
	}
	stop, children := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	signal.Notify(children, syscall.SIGCHLD)
	for {
		select {
		case <-stop:
			return nil
		case <-children:
			reap()
		}
	}
}

// reap ends the zombies of the host: the anchor is process 1 of the host's PID
// namespace, so every process whose parent ends becomes its child.
func reap() {
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}

func (h Host) mountAll() error {
	// Nothing mounted in here may reach the machine's own tree.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	// The work tree may lie under a directory that is about to be covered.
	tree, err := unix.OpenTree(unix.AT_FDCWD, h.WorkTree, unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cloning %s: %w", h.WorkTree, err)
	}
	defer unix.Close(tree)
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mounting /run: %w", err)
	}
	for _, d := range overlaid {
		if err := overlay(d); err != nil {
			return err
		}
	}
	if covered(h.WorkTree) {
		if err := os.MkdirAll(h.WorkTree, 0o755); err != nil {
			return err
		}
		if err := unix.MoveMount(tree, "", unix.AT_FDCWD, h.WorkTree, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("mounting %s: %w", h.WorkTree, err)
		}
	}
	for _, d := range privateDirs {
		if err := bind(h.Path(d), d); err != nil {
			return err
		}
	}
	for _, d := range []string{"/run/netns", "/run/containerd"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := h.writeNames(); err != nil {
		return err
	}
	if err := mountProc(); err != nil {
		return err
	}
	return h.coverTunables()
}

// mountProc shows the host its own processes and nothing else. The machine's stay
// visible at machineProc for the sandbox's own supervisors.
func mountProc() error {
	if err := bind("/proc", machineProc); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	return nil
}

// writeNames lets the host look up its own name, as a device's installer does: EdgeCore
// asks for it when it starts, and waits for DNS otherwise.
func (h Host) writeNames() error {
	names := "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 " + h.Name + "\n"
	if err := os.WriteFile("/etc/hosts", []byte(names), 0o644); err != nil {
		return fmt.Errorf("writing the host's names: %w", err)
	}
	if h.Resolver == "" {
		return nil
	}
	// The machine's file can be a link into /run, which the host covers.
	if err := os.Remove("/etc/resolv.conf"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replacing the machine's resolver: %w", err)
	}
	if err := os.WriteFile("/etc/resolv.conf", []byte("nameserver "+h.Resolver+"\n"), 0o644); err != nil {
		return fmt.Errorf("writing the host's resolver: %w", err)
	}
	return nil
}

func covered(path string) bool {
	for _, d := range append([]string{"/run"}, overlaid...) {
		if rel, err := filepath.Rel(d, path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

func overlay(dir string) error {
	base := filepath.Join("/run/overlay", dir)
	upper, work := filepath.Join(base, "upper"), filepath.Join(base, "work")
	for _, d := range []string{upper, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("overlay for %s: %w", dir, err)
		}
	}
	opts := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", dir, upper, work)
	if err := unix.Mount("overlay", dir, "overlay", 0, opts); err != nil {
		return fmt.Errorf("overlay on %s: %w", dir, err)
	}
	return nil
}

func bind(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("mounting %s: %w", to, err)
	}
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", from, to, err)
	}
	return nil
}

func (h Host) coverTunables() error {
	dir := "/run/tunables"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for path, value := range kernelTunables {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		file := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("covering %s: %w", path, err)
		}
	}
	return nil
}
