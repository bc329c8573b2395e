// Package paths names every place on a device that joining touches.
package paths

import "path/filepath"

// Places, as they are on a device. Layout.At turns them into real file names.
const (
	EtcKubeEdge = "/etc/kubeedge"
	CA          = "/etc/kubeedge/ca/rootCA.crt"
	Cert        = "/etc/kubeedge/certs/server.crt"
	Key         = "/etc/kubeedge/certs/server.key"
	Config      = "/etc/kubeedge/config/edgecore.yaml"

	EdgeCore = "/usr/local/bin/edgecore"
	// Partial is the name of a file beside its place until it is complete.
	Partial        = ".edgeway.partial"
	EdgectlDir     = "/usr/local/lib/edgeway"
	Edgectl        = "/usr/local/lib/edgeway/edgectl"
	EdgectlLink    = "/usr/local/bin/edgectl"
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

// Layout places everything under a root directory, "/" outside tests.
type Layout struct {
	Root string
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
