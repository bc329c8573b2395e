// Package paths names every place on a device that joining touches.
package paths

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Places, as they are on a device. Layout.At turns them into real file names.
const (
	EtcKubeEdge = "/etc/kubeedge"
	CA          = "/etc/kubeedge/ca/rootCA.crt"
	Cert        = "/etc/kubeedge/certs/server.crt"
	Key         = "/etc/kubeedge/certs/server.key"
	Config      = "/etc/kubeedge/config/edgecore.yaml"
	// Bootstrap holds a token of keadm's that EdgeCore prefers to its configuration's.
	Bootstrap = "/etc/kubeedge/bootstrap-edgecore.conf"
	// Database of EdgeCore holds what it knows of its node and pods, Secrets too.
	Database = "/var/lib/kubeedge/edgecore.db"

	// Partial is the name of a file beside its place until it is complete.
	Partial = ".edgeway.partial"
	// EdgectlLink puts edgectl into the path.
	EdgectlLink = "/usr/local/bin/edgectl"
	// VarPrograms is for a device whose root filesystem is read-only.
	VarPrograms    = "/var/lib/edgeway/bin"
	SystemdUnit    = "/etc/systemd/system/edgecore.service"
	OpenRCScript   = "/etc/init.d/edgecore"
	SystemdMarker  = "/run/systemd/system"
	OpenRCMarker   = "/run/openrc"
	StateDir       = "/var/lib/edgeway"
	State          = "/var/lib/edgeway/state.json"
	PendingKey     = "/var/lib/edgeway/pending.key"
	PendingCSR     = "/var/lib/edgeway/pending.csr"
	RunDir         = "/run/edgeway"
	PIDFile        = "/run/edgeway/edgecore.pid"
	VarPIDFile     = "/var/lib/edgeway/edgecore.pid"
	LogDir         = "/var/log/kubeedge"
	Log            = "/var/log/kubeedge/edgecore.log"
	KubeEdgeData   = "/var/lib/kubeedge"
	KubeletData    = "/var/lib/kubelet"
	PodLogs        = "/var/log/pods"
	ContainerLogs  = "/var/log/containers"
	KubeletDefault = "/etc/edgeway/kubelet.yaml"
)

// Trees are the directories that EdgeCore fills by itself.
func Trees() []string {
	return []string{EtcKubeEdge, KubeEdgeData, KubeletData, LogDir, PodLogs, ContainerLogs}
}

// Identity lists what makes a device the node.
func Identity() []string {
	return []string{Key, Cert, CA, PendingKey, PendingCSR, Database}
}

// Layout places everything under a root directory, "/" outside tests.
type Layout struct {
	Root string
	// Programs is the directory of edgecore and edgectl; empty for /usr/local.
	Programs string
}

// EdgeCore is the program's place.
func (l Layout) EdgeCore() string {
	if l.Programs != "" {
		return l.Programs + "/edgecore"
	}
	return "/usr/local/bin/edgecore"
}

// Edgectl is the place of the program's own copy.
func (l Layout) Edgectl() string {
	if l.Programs != "" {
		return l.Programs + "/edgectl"
	}
	return "/usr/local/lib/edgeway/edgectl"
}

// Writable puts the programs below /var when /usr/local is on a read-only filesystem.
func (l Layout) Writable() Layout {
	dir := l.At(filepath.Dir(l.EdgeCore()))
	for {
		err := unix.Access(dir, unix.W_OK)
		if errors.Is(err, unix.EROFS) {
			l.Programs = VarPrograms
		}
		if !errors.Is(err, unix.ENOENT) || dir == filepath.Dir(dir) {
			return l
		}
		dir = filepath.Dir(dir)
	}
}

// At is the real file name of a place.
func (l Layout) At(place string) string {
	if l.Root == "" || l.Root == "/" {
		return place
	}
	return filepath.Join(l.Root, place)
}

// Relocated says whether this is a trial under another root.
func (l Layout) Relocated() bool { return l.Root != "" && l.Root != "/" }
