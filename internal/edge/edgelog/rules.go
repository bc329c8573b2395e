package edgelog

import "regexp"

// rule is what a line of EdgeCore's means and what to do about it.
type rule struct {
	line          *regexp.Regexp
	cause, remedy string
	// passes: it counts only while EdgeCore has not connected afterwards.
	passes bool
}

func always(line, cause, remedy string) rule {
	return rule{line: regexp.MustCompile(line), cause: cause, remedy: remedy}
}

func untilConnected(line, cause, remedy string) rule {
	return rule{line: regexp.MustCompile(line), cause: cause, remedy: remedy, passes: true}
}

// rules in order: the first that matches a line explains it.
var rules = []rule{
	always(`kubelet should not be running`, "a kubelet runs on this device", "stop it: systemctl disable --now kubelet"),
	always(`kube-proxy should not be running`, "kube-proxy runs on this device", "stop its service or pod"),
	always(`listen tcp \S*:10350: bind: address already in use`, "port 10350 is taken", "find who has it: ss -ltnp 'sport = :10350', and stop it"),
	always(`Launch internal mqtt broker failed`, "the event bus cannot listen on port 1884", "stop the other MQTT broker (ss -ltnp 'sport = :1884'), or enroll the node without the event bus"),
	always(`bind: address already in use`, "a port is taken", "find who has the port that the line names: ss -ltnp, and stop it"),
	always(`certificate has expired or is not yet valid`, "a certificate is not valid at this device's time", "set the clock, best with NTP"),
	always(`doesn't contain any IP SANs|certificate is valid for .*, not `, "CloudCore's certificate does not name the address that this device dials",
		"add the address to cloudHub.advertiseAddress in the cluster's KubeEdge settings"),
	always(`certificate signed by unknown authority`, "CloudCore's certificate is another authority's", "check that CloudCore's address leads to this node's cluster, then leave and join again"),
	always(`certificate CN .* does not match node name`, "the certificate is another node's", "run edgectl leave, and join again"),
	always(`unable to load cert/key pair|Failed to load x509 key pair|Failed to find cert key pair`, "the node's certificate or key cannot be read", "run edgectl leave, and join again"),
	always(`Following Cgroup subsystem not mounted: \[.*memory`, "the memory controller is off", "add cgroup_enable=memory cgroup_memory=1 to the kernel's command line and reboot"),
	always(`Following Cgroup subsystem not mounted`, "cgroup controllers are missing", "mount them, or boot with systemd"),
	always(`expected cgroupsPath to be of format|systemd cgroup flag passed|cgroup driver: \S+ is different from|invalid slice name`, "EdgeCore and the container runtime use different cgroup drivers",
		"compare SystemdCgroup in /etc/containerd/config.toml with cgroupDriver in /etc/kubeedge/config/edgecore.yaml, and enroll the node with the runtime's"),
	always(`running with swap on is not supported`, "swap is on", "switch it off: swapoff -a, and remove it from /etc/fstab"),
	always(`could not restore state from checkpoint`, "a checkpoint of an older kubelet is in the way", "remove /var/lib/kubelet/cpu_manager_state and /var/lib/kubelet/memory_manager_state"),
	always(`open /dev/kmsg`, "there is no /dev/kmsg in this container", "give it to the container, or join the host instead"),
	always(`/proc/sys/\S+: read-only file system|open /proc/sys/\S+: permission denied`, "kernel settings are read-only here", "set them on the container's host, or run the device's container privileged"),
	always(`oom_score_adj: permission denied`, "this container may not protect EdgeCore from running out of memory", "run the device's container privileged, or join the host instead"),
	always(`node IP: \\?"[^"]*" not found in the host's network interfaces`, "no interface of this device has the node's address, and this EdgeCore asks for that",
		"give the address to an interface, or enroll the node with an address of this device"),
	always(`no space left on device`, "a disk is full", "free space: df -h; df -i"),
	always(`inotify_init: too many open files|inotify.*too many open files|user limit on the total number of inotify`, "too few inotify instances", "sysctl -w fs.inotify.max_user_instances=512"),
	always(`exec format error`, "EdgeCore is for another architecture", "enroll the node with this device's architecture"),
	always("GLIBC_[0-9.]+' not found", "EdgeCore needs a newer C library", "use an EdgeCore built for this distribution: edgectl join --edgecore FILE"),
	always(`status=203/EXEC`, "systemd may not start EdgeCore", "see why: journalctl -u edgecore; ausearch -m avc -ts recent (SELinux), findmnt -T of its file (noexec)"),
	always(`unable to open database file|file is not a database|database disk image is malformed`, "EdgeCore's database is damaged", "run edgectl leave, and join again"),
	always(`CRI v1 runtime API is not implemented|unknown service runtime\.v1`, "the container runtime does not speak CRI v1", "remove \"cri\" from disabled_plugins in /etc/containerd/config.toml and restart containerd, or upgrade it to 1.6 or later"),
	always(`dial unix \S+: connect: (no such file or directory|connection refused)|validate service connection`, "the container runtime does not answer", "start it: systemctl enable --now containerd"),
	untilConnected(`websocket: bad handshake`, "what answers on the WebSocket port is not CloudHub, or CloudHub refuses the node", "check the port's mapping, and cloudHub.nodeLimit in the cluster's KubeEdge settings"),
	untilConnected(`lookup \S+( on \S+)?: (no such host|.*server misbehaving|.*i/o timeout)`, "CloudCore's name cannot be looked up", "check this device's DNS (/etc/resolv.conf), or enroll the node with CloudCore's IP address"),
	untilConnected(`dial tcp \S+ ?connect: connection refused`, "nothing listens on CloudCore's port, or something refuses connections to it",
		"check that CloudCore runs and that the port which the line names is mapped to it"),
	untilConnected(`dial tcp \S+ ?connect: (no route to host|network is unreachable)`, "this device has no route to CloudCore",
		"see the routes (ip route), and whether a firewall on the way refuses the connection"),
	untilConnected(`dial tcp \S+ ?i/o timeout`, "CloudCore's port cannot be reached",
		"open the port that the line names from this device to CloudCore in the firewall"),
	always(`network plugin is not ready|cni plugin not initialized|cni config uninitialized`, "there is no pod network on this device", "put a network configuration into /etc/cni/net.d and its plugins into /opt/cni/bin"),
	always(`failed to get sandbox image|failed to pull image .*pause`, "the runtime cannot pull its sandbox image", "let the device reach a registry, or set sandbox_image in /etc/containerd/config.toml to one that it reaches"),
}

// noise are errors that a healthy EdgeCore writes, too, most of them while it starts.
var noise = regexp.MustCompile(`static pod path is nil|Unable to read config path|Image garbage collection failed once|failed to get summary stats|` +
	`Skipping pod synchronization|Failed to get the kubelet's cgroup|Failed to ensure lease|Error getting node|nodes? \\?"[^"]*" not found|` +
	`Failed to initialize CSINode|CSINode|Unable to register node with API server|Error updating node status|Failed to create existing container|` +
	`already exists|Unable to fetch (pod|container) log stats|unable to get the current edge certs|failed to garbage collect|` +
	`Failed to watch|reflector\.go|RuntimeClass|partial failures|Could not process watch event|ContainerStatus from runtime service failed|` +
	`Failed to get imageFs info|Kubelet stopping to collect stats|no non-running containers|Failed to check if (disk|imagefs) space is exhausted`)
