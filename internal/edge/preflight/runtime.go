package preflight

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/edgeway-io/edgeway/internal/edge/cri"
	"github.com/edgeway-io/edgeway/internal/edge/paths"
)

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
		return fail("there is no socket "+name, "install and start containerd, or enroll the node with the runtime endpoint of this device"+f.otherSocket(name))
	}
	return pass(f.endpoint())
}

// otherSocket names a runtime that is there in place of the wanted one.
func (f Facts) otherSocket(wanted string) string {
	for _, name := range []string{"/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock", "/run/k3s/containerd/containerd.sock"} {
		if info, err := os.Stat(f.System.at(name)); name != wanted && err == nil && info.Mode()&os.ModeSocket != 0 {
			return " (there is unix://" + name + ")"
		}
	}
	return ""
}

func (f Facts) runtimeVersion(ctx context.Context) Outcome {
	c, err := cri.Dial(f.endpoint())
	if err != nil {
		return fail(err.Error(), "check the runtime endpoint")
	}
	defer c.Close()
	name, version, api, err := c.Version(ctx)
	if err != nil {
		return fail(err.Error(), f.runtimeRemedy(err))
	}
	if api != "v1" {
		return fail(fmt.Sprintf("%s %s speaks CRI %s", name, version, api), "upgrade the runtime: containerd 1.6 or later")
	}
	return pass(name + " " + version)
}

// runtimeRemedy tells a runtime that does not run from one without CRI.
func (f Facts) runtimeRemedy(err error) string {
	switch {
	case cri.NoCRI(err):
		return "enable its CRI plugin: remove \"cri\" from disabled_plugins in /etc/containerd/config.toml, as Docker's packages set it, and restart containerd"
	case cri.Silent(err):
		return "start the runtime: systemctl enable --now containerd, or what runs it here"
	}
	return "see the runtime's log"
}

// status asks the runtime once more; a question costs milliseconds.
func (f Facts) status(ctx context.Context) (cri.Status, error) {
	c, err := cri.Dial(f.endpoint())
	if err != nil {
		return cri.Status{}, err
	}
	defer c.Close()
	return c.Status(ctx)
}

const crictlInfo = "see with: crictl info"

func (f Facts) runtimeReady(ctx context.Context) Outcome {
	s, err := f.status(ctx)
	if err != nil {
		return unknown(err.Error(), crictlInfo)
	}
	ready, ok := s.Conditions[cri.RuntimeReady]
	switch {
	case !ok:
		return unknown("the runtime does not tell", crictlInfo)
	case !ready.True:
		return fail(strings.TrimSpace(ready.Reason+" "+ready.Message), "see the runtime's log, and restart it")
	}
	return pass("")
}

// runtimeNetwork: without a pod network the node stays NotReady. A network plugin may
// come as a DaemonSet after the join, so it is no failure.
func (f Facts) runtimeNetwork(ctx context.Context) Outcome {
	s, err := f.status(ctx)
	if err != nil {
		return unknown(err.Error(), crictlInfo)
	}
	ready, ok := s.Conditions[cri.NetworkReady]
	switch {
	case !ok:
		return unknown("the runtime does not tell", crictlInfo)
	case !ready.True:
		dir := s.Config.CNIConfDir
		if dir == "" {
			dir = "/etc/cni/net.d"
		}
		return warn(strings.TrimSpace(ready.Reason+" "+ready.Message), "put a network configuration into "+dir+" and its plugins into /opt/cni/bin; until there is one, the node stays NotReady")
	}
	return pass("")
}

func (f Facts) runtimeDriver(ctx context.Context) Outcome {
	c, err := cri.Dial(f.endpoint())
	if err != nil {
		return fail(err.Error(), "check the runtime endpoint")
	}
	defer c.Close()
	wanted := f.CgroupDriver
	if wanted == "" {
		wanted = "that the device chooses"
	}
	driver, err := c.CgroupDriver(ctx)
	switch {
	case err != nil:
		return unknown(err.Error(), "make sure that the runtime uses cgroup driver "+wanted)
	case f.CgroupDriver == cri.Systemd && !f.System.exists(paths.SystemdMarker):
		return fail("the node is enrolled with systemd, which does not run on this device", "enroll the node with cgroup driver cgroupfs")
	case driver == "":
		return unknown("the runtime does not tell", "make sure that the runtime uses cgroup driver "+wanted)
	case f.CgroupDriver != "" && driver != f.CgroupDriver:
		return fail(fmt.Sprintf("the runtime uses %s, the node is enrolled with %s", driver, f.CgroupDriver), driverRemedy(f.CgroupDriver))
	}
	return pass(driver)
}

func driverRemedy(wanted string) string {
	if wanted == cri.Systemd {
		return "set SystemdCgroup = true in /etc/containerd/config.toml (CRI-O: cgroup_manager = \"systemd\") and restart the runtime, or enroll the node with cgroupfs"
	}
	return "set SystemdCgroup = false in /etc/containerd/config.toml (CRI-O: cgroup_manager = \"cgroupfs\") and restart the runtime, or enroll the node with systemd"
}

// runtimePods: EdgeCore ends pods that it does not know.
func (f Facts) runtimePods(ctx context.Context) Outcome {
	if f.Resuming {
		return pass("an interrupted join is taken up again")
	}
	c, err := cri.Dial(f.endpoint())
	if err != nil {
		return unknown(err.Error(), "see with: crictl pods")
	}
	defer c.Close()
	pods, err := c.Pods(ctx)
	if err != nil {
		return unknown(err.Error(), "see with: crictl pods")
	}
	if len(pods) > 0 {
		return warn(fmt.Sprintf("%d pods of an earlier kubelet, such as %s/%s", len(pods), pods[0].Namespace, pods[0].Name),
			"EdgeCore ends them; to do it now: crictl rmp -f "+pods[0].ID+", or -a for all")
	}
	return pass("")
}

// runtimeStorage: where the images' layers go.
func (f Facts) runtimeStorage(ctx context.Context) Outcome {
	s, err := f.status(ctx)
	if err == nil {
		err = s.ConfigErr
	}
	if err != nil {
		return unknown(err.Error(), "see with: findmnt -T /var/lib/containerd")
	}
	c := s.Config
	if c.RootDir == "" || c.Snapshotter == "" {
		return unknown("the runtime does not tell where it keeps images", "see with: findmnt -T /var/lib/containerd; an overlay works on ext4, xfs and btrfs")
	}
	mounts, err := f.System.mounts()
	if err != nil {
		return unknown(err.Error(), "see with: findmnt -T "+c.RootDir)
	}
	m, ok := mountOf(mounts, c.RootDir)
	if !ok {
		return unknown("no mount holds "+c.RootDir, "see with: findmnt -T "+c.RootDir)
	}
	if why := badBelow[m.Type]; why != "" && (c.Snapshotter == "overlayfs" || c.Snapshotter == "overlay") {
		return fail(fmt.Sprintf("images are in %s on %s (mounted at %s): %s", c.RootDir, m.Type, m.At, why),
			"mount ext4 or xfs at "+c.RootDir+", or set snapshotter = \"native\" or \"fuse-overlayfs\" in /etc/containerd/config.toml and restart containerd")
	}
	return pass(fmt.Sprintf("%s on %s in %s", c.Snapshotter, m.Type, c.RootDir))
}
