package preflight

import (
	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

// Facts are what the probes need to know.
type Facts struct {
	Layout paths.Layout
	// System is the device; the zero value is this one.
	System System
	// RuntimeEndpoint, empty for containerd's.
	RuntimeEndpoint string
	// CgroupDriver wanted; empty when it does not matter.
	CgroupDriver string
	// NodeIP that the node will have; empty when it is not known yet.
	NodeIP string
	// MetaServer and EventBus are parts of EdgeCore that this node will run.
	MetaServer, EventBus bool
	// Resuming lets an interrupted join of ours find its own files.
	Resuming bool
	// CloudCore to reach; nil when it is not known yet.
	CloudCore *wire.CloudCore
	// CA that CloudHub must show, in PEM; nil when it is not known yet.
	CA []byte
}

// Know takes over what the console says of the node.
func (f *Facts) Know(l *wire.Lookup) {
	f.CloudCore, f.CgroupDriver, f.NodeIP = &l.CloudCore, l.CgroupDriver, l.NodeIP
	f.MetaServer, f.EventBus = l.MetaServer, l.EventBus
	if f.RuntimeEndpoint == "" {
		f.RuntimeEndpoint = l.RuntimeEndpoint
	}
}

// Device is every probe, as far as the facts go.
func Device(f Facts) Probe {
	f.System = f.System.complete()
	root := Probe{ID: "preflight", Title: "this device can join"}
	root.Below = []Probe{
		{ID: "root", Title: "runs as root", Run: f.root},
		{ID: "kernel", Title: "kernel", Run: f.kernel, Below: f.kernelParts()},
		{ID: "clock", Title: "clock", Run: f.clockSet},
		{ID: "identity", Title: "identity", Below: []Probe{
			{ID: "hostname", Title: "host name", Run: f.hostname},
			{ID: "hostname.lookup", Title: "look-up of the host name", Run: f.ownName},
			{ID: "machineID", Title: "machine id", Run: f.machineID},
			{ID: "systemUUID", Title: "UUID of the board", Run: f.systemUUID},
		}},
		{ID: "cgroups", Title: "cgroups", Run: f.cgroups},
		{ID: "storage", Title: "storage", Below: []Probe{
			{ID: "disk", Title: "disk space", Run: f.disk},
			{ID: "inodes", Title: "inodes", Run: f.inodes},
			{ID: "volatile", Title: "filesystem outlives a boot", Run: f.volatile},
			{ID: "programs", Title: "place for programs", Run: f.programs},
		}},
		{ID: "processes", Title: "processes", Below: []Probe{
			{ID: "processes.kubelet", Title: "no kubelet", Run: f.kubelet},
			{ID: "processes.kube-proxy", Title: "no kube-proxy", Run: f.kubeProxy},
			{ID: "processes.other", Title: "no other Kubernetes", Run: f.otherKubelet},
			{ID: "processes.edgecore", Title: "no other EdgeCore", Run: f.edgecore},
		}},
		{ID: "leftovers", Title: "no earlier join", Run: f.leftovers, Below: []Probe{
			{ID: "leftovers.cloudcore", Title: "no CloudCore", Run: f.cloudCoreHere},
			{ID: "leftovers.kubeadm", Title: "no cluster node", Run: f.kubeadm},
			{ID: "leftovers.checkpoint", Title: "no kubelet checkpoint", Run: f.checkpoint},
			{ID: "leftovers.docker", Title: "no leftovers of Docker", Run: f.docker},
		}},
		{ID: "network", Title: "network", Below: f.networkParts()},
		{ID: "ports", Title: "ports", Below: f.ports()},
		{ID: "runtime", Title: "container runtime", Run: f.runtimeSocket, Below: []Probe{
			{ID: "runtime.cri", Title: "speaks CRI v1", Run: f.runtimeVersion, Below: []Probe{
				{ID: "runtime.ready", Title: "is ready", Run: f.runtimeReady},
				{ID: "runtime.network", Title: "pod network", Run: f.runtimeNetwork},
				{ID: "runtime.cgroupDriver", Title: "cgroup driver", Run: f.runtimeDriver},
				{ID: "runtime.storage", Title: "image storage", Run: f.runtimeStorage},
				{ID: "runtime.pods", Title: "no pods of an earlier kubelet", Run: f.runtimePods},
			}},
		}},
	}
	if f.CloudCore != nil {
		root.Below = append(root.Below, f.cloud())
	}
	return root
}

func (f Facts) kernelParts() []Probe {
	return []Probe{
		{ID: "kernel.sysctls", Title: "settings that EdgeCore writes", Run: f.sysctls},
		{ID: "kernel.kmsg", Title: "kernel messages", Run: f.kmsg},
		{ID: "kernel.entropy", Title: "entropy", Run: f.entropy},
		{ID: "kernel.selinux", Title: "SELinux", Run: f.selinux},
		{ID: "kernel.apparmor", Title: "AppArmor", Run: f.apparmor},
	}
}

func (f Facts) networkParts() []Probe {
	parts := []Probe{
		{ID: "network.loopback", Title: "loopback interface", Run: f.loopback},
		{ID: "network.mtu", Title: "MTU", Run: f.mtu},
		{ID: "network.proxy", Title: "proxy", Run: f.proxy},
	}
	if f.NodeIP != "" {
		parts = append(parts, Probe{ID: "network.nodeIP", Title: "address of the node", Run: f.nodeIP})
	}
	return parts
}

func (f Facts) ports() []Probe {
	return []Probe{
		{ID: "ports.10350", Title: "port 10350 is free", Run: f.freePort(10350, true)},
		{ID: "ports.10255", Title: "port 10255 is free", Run: f.freePort(10255, true)},
		{ID: "ports.10550", Title: "port 10550 (MetaServer) is free", Run: f.freePort(10550, f.MetaServer)},
		{ID: "ports.1884", Title: "port 1884 (event bus) is free", Run: f.freePort(1884, f.EventBus)},
	}
}

func pass(detail string) Outcome { return Outcome{Status: Pass, Detail: detail} }
func unknown(detail, remedy string) Outcome {
	return Outcome{Status: Unknown, Detail: detail, Remedy: remedy}
}
func warn(detail, remedy string) Outcome {
	return Outcome{Status: Warn, Detail: detail, Remedy: remedy}
}
func fail(detail, remedy string) Outcome {
	return Outcome{Status: Fail, Detail: detail, Remedy: remedy}
}
