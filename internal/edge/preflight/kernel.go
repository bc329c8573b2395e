package preflight

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (f Facts) root(context.Context) Outcome {
	if uid := f.System.EUID(); uid != 0 {
		return fail(fmt.Sprintf("user id is %d", uid), "run it with sudo, or as root")
	}
	return pass("")
}

func (f Facts) kernel(context.Context) Outcome {
	release, err := f.System.read("/proc/sys/kernel/osrelease")
	if err != nil {
		return unknown(err.Error(), "see with: uname -r")
	}
	major, minor, ok := kernelVersion(release)
	switch {
	case !ok:
		return unknown(fmt.Sprintf("%.60q is no kernel's release", release), "use a kernel from 4.10 on")
	case major < 4:
		return fail(release, "use a kernel from 4.10 on")
	case major == 4 && minor < 10:
		return warn(release, "today's container runtimes expect 4.10 or later; upgrade when you can")
	}
	return pass(release)
}

func kernelVersion(release string) (major, minor int, ok bool) {
	_, err := fmt.Sscanf(release, "%d.%d", &major, &minor)
	return major, minor, err == nil && major >= 0 && minor >= 0
}

// tunables are the settings that a kubelet wants and writes itself at its start
// (k8s.io/component-helpers/node/util/sysctl). Where it cannot, it ends.
var tunables = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// sysctls: in a container /proc/sys is read-only, and EdgeCore does not start.
func (f Facts) sysctls(context.Context) Outcome {
	mounts, err := f.System.mounts()
	if err != nil {
		return unknown(err.Error(), "see with: mount | grep /proc/sys")
	}
	if m, ok := mountOf(mounts, "/proc/sys"); !ok || !m.ReadOnly {
		return pass("")
	}
	var wrong []string
	for _, key := range slices.Sorted(maps.Keys(tunables)) {
		if value, err := f.System.read("/proc/sys/" + key); err != nil || value != tunables[key] {
			wrong = append(wrong, strings.ReplaceAll(key, "/", ".")+"="+tunables[key])
		}
	}
	if len(wrong) == 0 {
		return pass("read-only, and as EdgeCore wants them")
	}
	return fail("/proc/sys is read-only, and EdgeCore has to set "+strings.Join(wrong, ", "),
		"set these on the host of this container (sysctl -w), or run the device's container privileged")
}

// kmsg: a kubelet reads the kernel's messages to notice when memory ran out.
func (f Facts) kmsg(context.Context) Outcome {
	if !f.System.exists("/dev/kmsg") {
		return fail("there is no /dev/kmsg, and EdgeCore does not start without it",
			"give it to this container (LXC: lxc.mount.entry = /dev/kmsg dev/kmsg none bind,create=file), or join the host instead")
	}
	return pass("")
}

// scarce is when key generation on an old kernel may wait for entropy, in bits.
const scarce = 128

func (f Facts) entropy(context.Context) Outcome {
	raw, err := f.System.read("/proc/sys/kernel/random/entropy_avail")
	bits, nerr := strconv.Atoi(raw)
	if err != nil || nerr != nil {
		return unknown("the kernel does not tell", "see with: cat /proc/sys/kernel/random/entropy_avail")
	}
	release, _ := f.System.read("/proc/sys/kernel/osrelease")
	// Since 5.6 random numbers never wait once the kernel has begun to draw them.
	if major, minor, ok := kernelVersion(release); bits < scarce && (!ok || major < 5 || major == 5 && minor < 6) {
		return warn(fmt.Sprintf("%d bits", bits), "install rng-tools or haveged: keys may take minutes to make")
	}
	return pass(fmt.Sprintf("%d bits", bits))
}

// oldest is a time that has passed: a clock before it was never set.
var oldest = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)

// clockSet looks at the device alone; cloudcore.clock compares with CloudCore.
func (f Facts) clockSet(context.Context) Outcome {
	if now := f.System.Now(); now.Before(oldest) {
		return fail("this device's clock says "+now.UTC().Format(time.RFC3339),
			"set it, best with NTP (chrony, systemd-timesyncd); no certificate is valid yet at that time. A board without a battery forgets the time without power")
	}
	return pass("")
}

func (f Facts) selinux(context.Context) Outcome {
	if !f.System.exists("/sys/fs/selinux/enforce") {
		return pass("off")
	}
	switch mode, err := f.System.read("/sys/fs/selinux/enforce"); {
	case err != nil:
		return unknown(err.Error(), "see with: getenforce")
	case mode == "0":
		return pass("permissive")
	case f.Layout.Programs != "":
		return warn("enforcing, and programs go to "+f.Layout.Programs+", from where systemd may not start any",
			"label the directory: semanage fcontext -a -t bin_t '"+f.Layout.Programs+"(/.*)?' && restorecon -R "+f.Layout.Programs)
	}
	return pass("enforcing; ausearch -m avc shows what it refuses")
}

func (f Facts) apparmor(context.Context) Outcome {
	on, err := f.System.read("/sys/module/apparmor/parameters/enabled")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unknown(err.Error(), "see with: aa-status")
	}
	if on != "Y" {
		return pass("off")
	}
	for _, file := range []string{"/sbin/apparmor_parser", "/usr/sbin/apparmor_parser"} {
		if f.System.exists(file) {
			return pass("on")
		}
	}
	return warn("on, but there is no apparmor_parser, so containers run without a profile", "install the package apparmor")
}
