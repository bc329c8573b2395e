package site

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// Problem is something that the machine lacks, with the way to mend it.
type Problem struct{ What, Remedy string }

func (p Problem) Error() string { return p.What + "\n  remedy: " + p.Remedy }

// minFree is the disk space that a site needs: images are unpacked on five
// hosts, and a kubelet wants room besides.
const minFree = 4 << 30

// Preflight looks for everything that `up` would fail at later and gives all
// that it finds at once.
func (s Site) Preflight(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return Problem{"make up needs root: it makes network namespaces and cgroups", "run it as root (sudo make up)"}
	}
	var problems []error
	for _, check := range []func(context.Context) error{s.checkPrograms, s.checkKernel, s.checkDisk, s.checkAddress, s.checkOther, s.checkGrown} {
		if err := check(ctx); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func (s Site) checkPrograms(context.Context) error {
	var missing []string
	for _, p := range []string{"ip", "nft", "nsenter", "containerd", "ctr", "runc", "busybox"} {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		return Problem{"programs are missing: " + strings.Join(missing, ", "), "make deps installs them from Debian"}
	}
	return nil
}

// checkKernel does for a moment what the hosts need: namespaces, an overlay and
// a nat rule with connection tracking.
func (s Site) checkKernel(ctx context.Context) error {
	const rules = `table inet probe { chain c { type nat hook output priority -110; tcp dport 1 dnat ip to 127.0.0.1:2; }; }`
	for _, c := range []struct {
		script, what, remedy string
	}{
		{"true", "the kernel refuses new network, mount and UTS namespaces", "run on a machine or a container with CAP_SYS_ADMIN"},
		{"nft '" + rules + "'", "nf_tables with NAT does not work here", "load the modules nf_tables, nft_nat and nf_conntrack (modprobe), or use a kernel that has them"},
		{"ip link add probe type veth", "the kernel makes no veth interfaces", "load the module veth (modprobe veth)"},
		{"ip link add probe type bridge", "the kernel makes no bridges", "load the module bridge (modprobe bridge)"},
		{"mount -t tmpfs t /run && mkdir /run/u /run/w && mount -t overlay o -o lowerdir=/etc,upperdir=/run/u,workdir=/run/w /etc", "overlay mounts do not work here", "load the module overlay (modprobe overlay)"},
	} {
		if out, err := exec.CommandContext(ctx, "unshare", "--net", "--mount", "--uts", "sh", "-c", c.script).CombinedOutput(); err != nil {
			return Problem{fmt.Sprintf("%s: %s", c.what, strings.TrimSpace(string(out))), c.remedy}
		}
	}
	return nil
}

func (s Site) checkDisk(context.Context) error {
	for _, dir := range []string{s.Dir, s.Root} {
		var fs unix.Statfs_t
		if err := unix.Statfs(dir, &fs); err != nil {
			continue // .sandbox is not there yet
		}
		if free := fs.Bavail * uint64(fs.Bsize); free < minFree {
			return Problem{
				fmt.Sprintf("%s has %d MiB free, the sandbox needs %d MiB", dir, free>>20, minFree>>20),
				"free disk space, or move the work tree to a larger disk",
			}
		}
	}
	return nil
}

// checkAddress refuses to hide an address range that the machine uses.
func (s Site) checkAddress(context.Context) error {
	_, want, err := net.ParseCIDR(publicNet)
	if err != nil {
		return err
	}
	links, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("listing interfaces: %w", err)
	}
	for _, l := range links {
		addrs, err := l.Addrs()
		if err != nil || l.Name == machineLink {
			continue
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && (n.Contains(want.IP) || want.Contains(n.IP)) {
				return Problem{
					fmt.Sprintf("the machine's interface %s has %s, and the sandbox uses %s", l.Name, a, publicNet),
					"take that address away for the time being",
				}
			}
		}
	}
	return nil
}

// checkOther finds a sandbox of another work tree: there can be one at a time.
func (s Site) checkOther(context.Context) error {
	out, err := exec.Command("pgrep", "--full", "--list-full", "^[^ ]*/sandbox anchor ").Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil // none
	}
	if err != nil {
		return fmt.Errorf("looking for another sandbox: %w", err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if !strings.Contains(line, " "+s.Dir+"/") {
			return Problem{"another sandbox is up: " + line, "run make down in its work tree"}
		}
	}
	return nil
}

// checkGrown refuses a second cluster for a site that is up without: its console
// does not look for one.
func (s Site) checkGrown(context.Context) error {
	if s.Branch != nil && s.running() && s.savedExtent().Clusters == 1 {
		return Problem{"the site that is up has one cluster", "run make down first, then make up CLUSTERS=2"}
	}
	return nil
}
