package hosts

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Host is one machine of the sandbox.
type Host struct {
	// Name is the host's node name and hostname.
	Name string `json:"name"`
	// Dir holds all that the host keeps: its directories, logs and pid files.
	Dir string `json:"dir"`
	// WorkTree stays visible inside the host at its own path.
	WorkTree string `json:"workTree"`
	// Sysctls under /proc/sys/net that the host sets for itself, such as
	// "net/ipv4/ip_forward": "1".
	Sysctls map[string]string `json:"sysctls,omitempty"`
	// Resolver is the address of the DNS server that the host asks; empty keeps the
	// machine's resolver.
	Resolver string `json:"resolver,omitempty"`
}

// ErrNotRunning is returned for a host whose anchor process is gone.
var ErrNotRunning = errors.New("host is not running")

// privateDirs are kept on disk below Dir and appear at these paths inside the
// host. Sharing one of them between two hosts breaks both: a kubelet, for one,
// deletes the logs of pods it does not know.
var privateDirs = []string{
	"/etc/kubeedge",
	"/var/lib/kubelet", "/var/lib/kubeedge", "/var/lib/containerd", "/var/lib/cni",
	"/var/log/pods", "/var/log/containers",
}

// Path gives where a file of the host lies as seen from the machine. It knows
// the private directories only.
func (h Host) Path(inside string) string { return filepath.Join(h.Dir, "fs", inside) }

// LogFile is where a service's output goes.
func (h Host) LogFile(service string) string { return filepath.Join(h.Dir, "log", service+".log") }

func (h Host) pidFile(name string) string { return filepath.Join(h.Dir, "run", name+".pid") }

func (h Host) configFile() string { return filepath.Join(h.Dir, "host.json") }

// Cgroup is the host's cgroup below every hierarchy's root; kubelets put their
// pods below it, so that two kubelets on one kernel leave each other alone.
func (h Host) Cgroup() string { return CgroupRoot + "/" + h.Name }

// Pid is the anchor's process id, or ErrNotRunning.
func (h Host) Pid() (int, error) { return readPid(h.pidFile("anchor")) }

func (h Host) save() error {
	for _, d := range []string{"run", "log"} {
		if err := os.MkdirAll(filepath.Join(h.Dir, d), 0o755); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	for _, d := range privateDirs {
		if err := os.MkdirAll(h.Path(d), 0o755); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	b, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return fmt.Errorf("host %s: %w", h.Name, err)
	}
	return os.WriteFile(h.configFile(), b, 0o644)
}

func load(file string) (Host, error) {
	var h Host
	b, err := os.ReadFile(file)
	if err != nil {
		return h, fmt.Errorf("reading host: %w", err)
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, fmt.Errorf("reading host %s: %w", file, err)
	}
	return h, nil
}

// readPid gives the process id in a file if that process is alive and still the
// one that wrote it: the file holds the pid and the process's start time, since
// the kernel uses process ids again.
func readPid(file string) (int, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return 0, ErrNotRunning
	}
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b))
	if len(f) != 2 {
		return 0, fmt.Errorf("%s holds %q, want a process id and its start time", file, b)
	}
	pid, err := strconv.Atoi(f[0])
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	started, err := startTime(pid)
	if err != nil || started != f[1] {
		return 0, ErrNotRunning
	}
	return pid, nil
}

func writePid(file string, pid int) error {
	started, err := startTime(pid)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(fmt.Sprintf("%d %s\n", pid, started)), 0o644)
}

// machineProc is where the machine's /proc appears inside a host, whose own /proc
// shows the processes of its PID namespace.
const machineProc = "/run/sandbox/proc"

// procDir is the /proc that knows the machine's process ids.
func procDir() string {
	if _, err := os.Stat(machineProc); err == nil {
		return machineProc
	}
	return "/proc"
}

// machinePid is the calling process's id as the machine sees it.
func machinePid() (int, error) {
	self, err := os.Readlink(filepath.Join(procDir(), "self"))
	if err != nil {
		return 0, fmt.Errorf("finding the own process id: %w", err)
	}
	return strconv.Atoi(self)
}

// startTime is field 22 of /proc/PID/stat (proc(5)), clock ticks since boot. A
// zombie counts as gone.
func startTime(pid int) (string, error) {
	b, err := os.ReadFile(filepath.Join(procDir(), strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	_, rest, ok := strings.Cut(string(b), ") ") // the command may hold blanks
	f := strings.Fields(rest)
	if !ok || len(f) < 20 {
		return "", fmt.Errorf("/proc/%d/stat: unexpected %q", pid, b)
	}
	if f[0] == "Z" || f[0] == "X" {
		return "", ErrNotRunning
	}
	return f[19], nil
}
