package preflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/edge/cri"
	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

// Facts are what the probes need to know.
type Facts struct {
	Layout paths.Layout
	// RuntimeEndpoint, empty for containerd's.
	RuntimeEndpoint string
	// CgroupDriver wanted; empty when it does not matter.
	CgroupDriver string
	// Resuming lets an interrupted join of ours find its own files.
	Resuming bool
	// CloudCore to reach; nil when it is not known yet.
	CloudCore *wire.CloudCore
	// CA that CloudHub must show, in PEM; nil when it is not known yet.
	CA []byte
}

const (
	diskFail = 200 << 20
	diskWarn = 1 << 30
)

// Device is every probe, as far as the facts go.
func Device(f Facts) Probe {
	root := Probe{ID: "preflight", Title: "this device can join"}
	root.Below = []Probe{
		{ID: "root", Title: "runs as root", Run: f.root},
		{ID: "kernel", Title: "kernel", Run: f.kernel},
		{ID: "hostname", Title: "host name", Run: f.hostname},
		{ID: "cgroups", Title: "cgroups", Run: f.cgroups},
		{ID: "disk", Title: "disk space", Run: f.disk},
		{ID: "leftovers", Title: "no earlier join", Run: f.leftovers},
		{ID: "ports", Title: "ports", Below: []Probe{
			{ID: "ports.10350", Title: "port 10350 is free", Run: freePort(10350)},
			{ID: "ports.10255", Title: "port 10255 is free", Run: freePort(10255)},
		}},
		{ID: "runtime", Title: "container runtime", Run: f.runtimeSocket, Below: []Probe{
			{ID: "runtime.cri", Title: "speaks CRI v1", Run: f.runtimeVersion},
			{ID: "runtime.cgroupDriver", Title: "cgroup driver", Run: f.runtimeDriver},
		}},
	}
	if f.CloudCore != nil {
		root.Below = append(root.Below, f.cloud())
	}
	return root
}

func pass(detail string) Outcome { return Outcome{Status: Pass, Detail: detail} }
func warn(detail, remedy string) Outcome {
	return Outcome{Status: Warn, Detail: detail, Remedy: remedy}
}
func fail(detail, remedy string) Outcome {
	return Outcome{Status: Fail, Detail: detail, Remedy: remedy}
}

func (f Facts) root(context.Context) Outcome {
	if uid := os.Geteuid(); uid != 0 {
		return fail(fmt.Sprintf("user id is %d", uid), "run it with sudo, or as root")
	}
	return pass("")
}

func (f Facts) kernel(context.Context) Outcome {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fail(err.Error(), "edgectl needs Linux")
	}
	release := unix.ByteSliceToString(u.Release[:])
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil || major < 4 {
		return fail(release, "use a kernel from 4.0 on")
	}
	if major == 4 && minor < 10 {
		return warn(release, "today's container runtimes expect 4.10 or later; upgrade when you can")
	}
	return pass(release)
}

func (f Facts) hostname(context.Context) Outcome {
	name, err := os.Hostname()
	if err != nil || name == "" || name == "localhost" || name == "(none)" {
		return warn(fmt.Sprintf("%q", name), "give the device a host name; the node's name does not depend on it, people do")
	}
	return pass(name)
}

// wantedControllers without which a kubelet does not start.
var wantedControllers = []string{"cpu", "cpuset", "memory"}

func (f Facts) cgroups(context.Context) Outcome {
	remedy := "mount cgroups; on a Raspberry Pi add cgroup_enable=memory cgroup_memory=1 to the kernel's command line"
	if raw, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		if missing := missingFrom(strings.Fields(string(raw))); len(missing) > 0 {
			return fail("version 2 without controllers "+strings.Join(missing, ", "), remedy)
		}
		return pass("version 2")
	}
	var have []string
	for _, c := range wantedControllers {
		if entries, err := os.ReadDir(filepath.Join("/sys/fs/cgroup", c)); err == nil && len(entries) > 0 {
			have = append(have, c)
		}
	}
	if missing := missingFrom(have); len(missing) > 0 {
		return fail("version 1 without controllers "+strings.Join(missing, ", "), remedy)
	}
	return pass("version 1")
}

func missingFrom(have []string) []string {
	return slices.DeleteFunc(slices.Clone(wantedControllers), func(c string) bool { return slices.Contains(have, c) })
}

func (f Facts) disk(context.Context) Outcome {
	// The data directory may not be there yet: its nearest parent is on the same disk.
	dir := f.Layout.At(paths.KubeletData)
	var s unix.Statfs_t
	for unix.Statfs(dir, &s) != nil && dir != "/" {
		dir = filepath.Dir(dir)
	}
	free := s.Bavail * uint64(s.Bsize)
	detail := fmt.Sprintf("%d MiB free for %s", free>>20, paths.KubeletData)
	switch {
	case free < diskFail:
		return fail(detail, "free at least 200 MiB, better 1 GiB for images")
	case free < diskWarn:
		return warn(detail, "free 1 GiB: images may not fit")
	}
	return pass(detail)
}

func (f Facts) leftovers(context.Context) Outcome {
	if f.Resuming {
		return pass("an interrupted join is taken up again")
	}
	var found []string
	for _, place := range []string{paths.State, paths.Config, paths.CA, paths.Cert, paths.Key, paths.EdgeCore, paths.SystemdUnit, paths.OpenRCScript} {
		if _, err := os.Lstat(f.Layout.At(place)); err == nil {
			found = append(found, place)
		}
	}
	if len(found) > 0 {
		return fail("found "+strings.Join(found, ", "), "leave the old cluster first: edgectl leave, or keadm reset edge when keadm was used; then move away what is still there")
	}
	return pass("")
}

func freePort(port int) func(context.Context) Outcome {
	return func(context.Context) Outcome {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if errors.Is(err, unix.EADDRINUSE) {
			return fail("something listens on it", fmt.Sprintf("find it with: ss -ltnp 'sport = :%d', and stop it", port))
		}
		if err != nil {
			return fail(err.Error(), "see whether the loopback interface is up: ip link set lo up")
		}
		if err := l.Close(); err != nil {
			return fail(err.Error(), "try again")
		}
		return pass("")
	}
}

func (f Facts) endpoint() string {
	if f.RuntimeEndpoint == "" {
		return cri.DefaultEndpoint
	}
	return f.RuntimeEndpoint
}

func (f Facts) runtimeSocket(context.Context) Outcome {
	name, ok := strings.CutPrefix(f.endpoint(), "unix://")
	if !ok {
		return fail(f.endpoint(), "give unix:///path/to/socket")
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return fail("there is no socket "+name, "install and start containerd, or enrol the node with the runtime endpoint of this device")
	}
	return pass(f.endpoint())
}

func (f Facts) runtimeVersion(ctx context.Context) Outcome {
	c, err := cri.Dial(f.endpoint())
	if err != nil {
		return fail(err.Error(), "check the runtime endpoint")
	}
	defer c.Close()
	name, version, api, err := c.Version(ctx)
	if err != nil {
		return fail(err.Error(), "start the runtime, and enable its CRI plugin (Docker's containerd disables it in /etc/containerd/config.toml)")
	}
	if api != "v1" {
		return fail(fmt.Sprintf("%s %s speaks CRI %s", name, version, api), "upgrade the runtime: containerd 1.6 or later")
	}
	return pass(name + " " + version)
}

func (f Facts) runtimeDriver(ctx context.Context) Outcome {
	c, err := cri.Dial(f.endpoint())
	if err != nil {
		return fail(err.Error(), "check the runtime endpoint")
	}
	defer c.Close()
	driver, err := c.CgroupDriver(ctx)
	switch {
	case err != nil:
		return warn(err.Error(), "make sure that the runtime uses cgroup driver "+f.CgroupDriver)
	case driver == "":
		return pass("the runtime is too old to tell")
	case f.CgroupDriver != "" && driver != f.CgroupDriver:
		return fail(fmt.Sprintf("the runtime uses %s, the node is enrolled with %s", driver, f.CgroupDriver),
			"set SystemdCgroup in the runtime's configuration accordingly, or enrol with the other driver")
	}
	return pass(driver)
}
