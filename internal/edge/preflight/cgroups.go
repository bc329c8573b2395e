package preflight

import (
	"context"
	"slices"
	"strings"
)

const (
	cgroupRoot = "/sys/fs/cgroup"
	// bootRemedy is for a controller that the kernel was started without.
	bootRemedy = "add cgroup_enable=memory cgroup_memory=1 to the kernel's command line and reboot"
)

// Controllers without which a kubelet does not start, by cgroup version.
var (
	wantedV1 = []string{"cpu", "cpuacct", "cpuset", "memory"}
	wantedV2 = []string{"cpu", "cpuset", "memory"}
)

func (f Facts) cgroups(context.Context) Outcome {
	mounts, err := f.System.mounts()
	if err != nil {
		return unknown(err.Error(), "see with: mount | grep cgroup")
	}
	if m, ok := mountOf(mounts, cgroupRoot); ok && m.At == cgroupRoot && m.Type == "cgroup2" {
		return f.cgroupsV2(m)
	}
	var have []string
	for _, m := range mounts {
		if m.Type == "cgroup" {
			have = append(have, m.Options...)
		}
	}
	if missing := missingFrom(wantedV1, have); len(missing) > 0 {
		return fail("version 1 without controllers "+strings.Join(missing, ", "), f.controllerRemedy(missing))
	}
	return pass("version 1")
}

func (f Facts) cgroupsV2(m mount) Outcome {
	raw, err := f.System.read(cgroupRoot + "/cgroup.controllers")
	if err != nil {
		return unknown(err.Error(), "see with: cat "+cgroupRoot+"/cgroup.controllers")
	}
	const remedy = "edgectl runs in a container or a session without cgroups of its own: run it on the host, or give the container a writable, delegated cgroup (systemd: Delegate=yes)"
	missing := missingFrom(wantedV2, strings.Fields(raw))
	kind, err := f.System.read(cgroupRoot + "/cgroup.type")
	// Only the kernel's own root cgroup has no type.
	nested := err == nil
	switch {
	case m.ReadOnly:
		return fail("version 2, mounted read-only", remedy)
	case len(missing) > 0 && nested:
		return fail("version 2, controllers "+strings.Join(missing, ", ")+" are not delegated", remedy)
	case len(missing) > 0:
		return fail("version 2 without controllers "+strings.Join(missing, ", "), f.controllerRemedy(missing))
	case nested && kind != "domain":
		return fail("version 2 of type "+kind+", in which no pods can run", remedy)
	case nested && f.crowded():
		return fail("version 2, but this cgroup holds processes itself, so its controllers cannot be handed on", remedy)
	}
	return pass("version 2")
}

// crowded tells whether the cgroup holds processes and has not handed its
// controllers on: the kernel then refuses to (no internal processes).
func (f Facts) crowded() bool {
	handed, err := f.System.read(cgroupRoot + "/cgroup.subtree_control")
	if err != nil || len(missingFrom(wantedV2, strings.Fields(handed))) == 0 {
		return false
	}
	procs, err := f.System.read(cgroupRoot + "/cgroup.procs")
	return err == nil && procs != ""
}

// controllerRemedy tells a controller that is switched off from one that is not mounted.
func (f Facts) controllerRemedy(missing []string) string {
	line, err := f.System.read("/proc/cmdline")
	if err == nil && slices.Contains(strings.Fields(line), "cgroup_disable=memory") && slices.Contains(missing, "memory") {
		for _, file := range []string{"/boot/firmware/cmdline.txt", "/boot/cmdline.txt"} {
			if f.System.exists(file) {
				return "the kernel was started with cgroup_disable=memory: add cgroup_enable=memory cgroup_memory=1 to the line in " + file + " and reboot"
			}
		}
		return "the kernel was started with cgroup_disable=memory: " + bootRemedy
	}
	states, err := f.System.read("/proc/cgroups")
	if err != nil {
		return "mount these controllers, or, where /proc/cgroups says that they are off, " + bootRemedy
	}
	for line := range strings.Lines(states) {
		if x := strings.Fields(line); len(x) == 4 && slices.Contains(missing, x[0]) && x[3] == "0" {
			if x[0] == "memory" {
				return "the kernel has it switched off: " + bootRemedy
			}
			return "the kernel has " + x[0] + " switched off: remove cgroup_disable=" + x[0] + " from its command line and reboot"
		}
	}
	for _, c := range missing {
		if !strings.Contains("\n"+states, "\n"+c+"\t") {
			return "this kernel was built without " + c + ": use one that has it (CONFIG_MEMCG, CONFIG_CPUSETS, CONFIG_CGROUP_SCHED, CONFIG_CGROUP_CPUACCT)"
		}
	}
	return "mount them, for example with the package cgroupfs-mount, or boot with systemd"
}

func missingFrom(wanted, have []string) []string {
	return slices.DeleteFunc(slices.Clone(wanted), func(c string) bool { return slices.Contains(have, c) })
}
