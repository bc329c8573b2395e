package site

import (
	"path/filepath"

	"github.com/edgeway-io/edgeway/sandbox/cluster"
	"github.com/edgeway-io/edgeway/sandbox/hosts"
)

// Role of a host.
type Role string

// The roles of hosts.
const (
	RoleInternet     Role = "internet"
	RoleControlPlane Role = "control-plane"
	RoleWorker       Role = "worker"
	RoleConsole      Role = "console"
	RoleRouter       Role = "router"
	RoleEdge         Role = "edge"
)

// Addresses of the site. 198.18.0.0/15 is reserved for tests (RFC 2544), so it
// hides no address that the machine has other use for.
const (
	publicNet      = "198.18.0.0/24"
	internetIP     = "198.18.0.1"
	controlPlaneIP = "198.18.0.2"
	workerIP       = "198.18.0.3"
	consoleIP      = "198.18.0.4"
	branchIP       = "198.18.0.5"
	machineIP      = "198.18.0.254"
	machineLink    = "edgeway0"
	edgeGateway    = "192.168.100.254"
	internetBridge = "br0"
	edgeBridge     = "lan0"
	consolePort    = "8443"
	clusterName    = "sandbox"
	branchName     = "branch"
	// Addresses for Services of type LoadBalancer.
	balancerPool       = "198.18.0.128/28"
	branchBalancerPool = "198.18.0.144/28"
	workerPodCIDR      = "10.244.1.0/24"
	controlPodCIDR     = "10.244.0.0/24"
)

// Edge is one edge host and the router it sits behind.
type Edge struct {
	Host, Router hosts.Host
	// IP of the host on its own network; RouterIP is the router's public side.
	IP, RouterIP string
	// PodCIDR on the host.
	PodCIDR string
	// Joined hosts become edge nodes in `up`; the others wait to be joined by hand.
	Joined bool
}

// Site is a whole sandbox.
type Site struct {
	// Root is the work tree, Dir its .sandbox directory, BinDir where programs are.
	Root, Dir, BinDir string
	// KubeEdgeDir holds real cloudcore and edgecore programs; empty: stand-ins.
	KubeEdgeDir string

	Internet, ControlPlane, Worker, Console hosts.Host
	Edges                                   []Edge
	// Branch is the only node of a second cluster, where there is one.
	Branch *hosts.Host
}

// cloudSysctls are those of a cloud node.
var cloudSysctls = map[string]string{"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/default/rp_filter": "0"}

// New describes the site of a work tree. Nothing is started.
func New(root string) Site {
	s := Site{Root: root, Dir: filepath.Join(root, ".sandbox"), BinDir: filepath.Join(root, "bin")}
	s.Internet = s.host("internet", map[string]string{"net/ipv4/ip_forward": "1"})
	s.ControlPlane = s.host("cp", cloudSysctls)
	s.Worker = s.host("worker", cloudSysctls)
	s.Console = s.host("console", nil)
	s.Edges = []Edge{
		s.edge("jetson-xavier", "192.168.100.1", "nat-jetson", "198.18.0.11", "10.244.101.0/24", true),
		s.edge("raspberrypi", "192.168.100.2", "nat-raspberry", "198.18.0.12", "10.244.102.0/24", true),
		s.edge("orangepi", "192.168.100.3", "nat-orange", "198.18.0.13", "10.244.103.0/24", false),
	}
	saved := s.savedExtent()
	s.KubeEdgeDir = saved.KubeEdge
	return s.With(saved)
}

func (s Site) host(name string, sysctls map[string]string) hosts.Host {
	return hosts.Host{Name: name, Dir: filepath.Join(s.Dir, "hosts", name), WorkTree: s.Root, Sysctls: sysctls, Resolver: internetIP}
}

func (s Site) edge(name, ip, router, routerIP, podCIDR string, joined bool) Edge {
	forward := map[string]string{"net/ipv4/ip_forward": "1"}
	return Edge{Host: s.host(name, forward), Router: s.host(router, forward), IP: ip, RouterIP: routerIP, PodCIDR: podCIDR, Joined: joined}
}

// Hosts lists every host with its role and addresses.
func (s Site) Hosts() []HostInfo {
	list := []HostInfo{
		s.info(s.Internet, RoleInternet, internetIP),
		s.info(s.ControlPlane, RoleControlPlane, controlPlaneIP),
		s.info(s.Worker, RoleWorker, workerIP),
		s.info(s.Console, RoleConsole, consoleIP),
	}
	if s.Branch != nil {
		list = append(list, s.info(*s.Branch, RoleControlPlane, branchIP))
	}
	for _, e := range s.Edges {
		list = append(list, s.info(e.Router, RoleRouter, e.RouterIP, edgeGateway), s.info(e.Host, RoleEdge, e.IP))
	}
	return list
}

func (s Site) info(h hosts.Host, role Role, addresses ...string) HostInfo {
	return HostInfo{Name: h.Name, Role: role, Addresses: addresses, Command: []string{s.self(), "exec", h.Name, "--"}, host: h}
}

// Host finds a host by name.
func (s Site) Host(name string) (hosts.Host, bool) {
	for _, i := range s.Hosts() {
		if i.Name == name {
			return i.host, true
		}
	}
	return hosts.Host{}, false
}

// self is this program's path.
func (s Site) self() string { return filepath.Join(s.BinDir, "sandbox") }

func (s Site) cluster(pause string) cluster.Cluster {
	return s.clusterOf(clusterName, "cluster", s.nodes()[0], pause)
}

func (s Site) clusterOf(name, dir string, controlPlane cluster.Node, pause string) cluster.Cluster {
	return cluster.Cluster{
		Name: name, Dir: filepath.Join(s.Dir, dir), BinDir: filepath.Join(s.BinDir, "kube"), Self: s.self(),
		ControlPlane: controlPlane, PauseImage: pause,
	}
}

// nodes are the cloud nodes, control plane first.
func (s Site) nodes() []cluster.Node {
	return []cluster.Node{
		{Host: s.ControlPlane, IP: controlPlaneIP, PodCIDR: controlPodCIDR,
			Taints: []cluster.Taint{{Key: "node-role.kubernetes.io/control-plane", Effect: "NoSchedule"}}},
		{Host: s.Worker, IP: workerIP, PodCIDR: workerPodCIDR},
	}
}
