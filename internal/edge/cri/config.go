package cri

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Cgroup drivers, as a kubelet names them.
const (
	Cgroupfs = "cgroupfs"
	Systemd  = "systemd"
)

// Config is what a runtime tells of its configuration. An empty field was not told.
type Config struct {
	// CgroupDriver is Cgroupfs or Systemd.
	CgroupDriver string
	// Snapshotter keeps the images' layers, like "overlayfs"; RootDir is where.
	Snapshotter, RootDir string
	// CNIConfDir holds the pod networks' configurations.
	CNIConfDir string
	// SELinux tells whether containers get SELinux labels.
	SELinux bool
}

// pluginConfig is the part of containerd's CRI configuration that matters here, in
// the JSON of its verbose status (containerd 1.4 to 2.x).
type pluginConfig struct {
	Containerd struct {
		Snapshotter        string                   `json:"snapshotter"`
		DefaultRuntimeName string                   `json:"defaultRuntimeName"`
		Runtimes           map[string]runtimeConfig `json:"runtimes"`
	} `json:"containerd"`
	CNI struct {
		ConfDir string `json:"confDir"`
	} `json:"cni"`
	SystemdCgroup     bool   `json:"systemdCgroup"`
	EnableSelinux     bool   `json:"enableSelinux"`
	ContainerdRootDir string `json:"containerdRootDir"`
}

type runtimeConfig struct {
	Type    string         `json:"runtimeType"`
	Options map[string]any `json:"options"`
}

// parseConfig reads the field "config" of a verbose status.
func parseConfig(raw string) (Config, error) {
	var p pluginConfig
	if err := json.Unmarshal([]byte(raw), &p); err != nil {
		return Config{}, fmt.Errorf("reading the container runtime's configuration: %w", err)
	}
	c := Config{Snapshotter: p.Containerd.Snapshotter, RootDir: p.ContainerdRootDir, CNIConfDir: p.CNI.ConfDir, SELinux: p.EnableSelinux}
	if r, ok := p.Containerd.Runtimes[p.Containerd.DefaultRuntimeName]; ok {
		c.CgroupDriver = r.driver(p.SystemdCgroup)
	}
	return c, nil
}

// driver of the runtime that pods get by default. runc's shims take cgroupfs unless
// their options say otherwise; the shim of containerd 1.2 is told by the plugin's
// own field; of other shims nothing is known.
func (r runtimeConfig) driver(plugin bool) string {
	told, ok := r.Options["SystemdCgroup"].(bool)
	switch {
	case ok && told:
		return Systemd
	case ok:
		return Cgroupfs
	case r.Options["SystemdCgroup"] != nil:
		return ""
	case r.Type == "io.containerd.runtime.v1.linux" && plugin:
		return Systemd
	case r.Type == "io.containerd.runtime.v1.linux" || strings.HasPrefix(r.Type, "io.containerd.runc."):
		return Cgroupfs
	}
	return ""
}

// parseCRIO reads the answer of CRI-O's information service.
func parseCRIO(raw []byte) (Config, error) {
	var i struct {
		CgroupDriver  string `json:"cgroup_driver"`
		StorageDriver string `json:"storage_driver"`
		StorageRoot   string `json:"storage_root"`
	}
	if err := json.Unmarshal(raw, &i); err != nil {
		return Config{}, fmt.Errorf("reading CRI-O's configuration: %w", err)
	}
	c := Config{Snapshotter: i.StorageDriver, RootDir: i.StorageRoot}
	if i.CgroupDriver == Systemd || i.CgroupDriver == Cgroupfs {
		c.CgroupDriver = i.CgroupDriver
	}
	return c, nil
}
