// Package settings is the one description of how KubeEdge runs on a cluster:
// both parameter tables of the product as a Go type. Defaults, validation, the
// values of the Helm chart, their JSON schema, the REST API and the console's
// form all come from it. The package does no I/O: what the cluster looks like
// is handed in as ClusterFacts.
package settings

// ServiceType is how edge nodes reach CloudCore from outside the cluster.
type ServiceType string

// The service types that CloudCore's Service may have.
const (
	NodePort     ServiceType = "NodePort"
	LoadBalancer ServiceType = "LoadBalancer"
)

// Settings of KubeEdge on one cluster. Its JSON form is also the chart's values.
// In ports, 0 stands for the default that belongs to the service type.
type Settings struct {
	ServiceType ServiceType `json:"serviceType" enum:"NodePort,LoadBalancer" doc:"How CloudCore is exposed to edge nodes."`
	HA          bool        `json:"ha" doc:"Run two CloudCore replicas on different nodes."`

	CloudHub    CloudHub    `json:"cloudHub" doc:"CloudHub, which edge nodes connect to."`
	CloudStream CloudStream `json:"cloudStream" doc:"CloudStream, which carries logs, exec and metrics."`
	EdgeWatcher EdgeWatcher `json:"edgeWatcher" doc:"Where requests for edge nodes' logs and metrics are sent."`
	StreamGuard StreamGuard `json:"streamGuard" doc:"A second wall around what CloudCore opens behind its gate."`

	IptablesOperator IptablesOperator `json:"iptablesOperator" doc:"How routes get into the kernels of cloud nodes."`

	KubeEdgeVersion string `json:"kubeEdgeVersion" doc:"Version of KubeEdge that keadm installs on devices, such as v1.23.1. Empty: the tag of CloudCore's image."`

	DynamicController bool `json:"dynamicController" doc:"Let edge nodes list and watch cluster objects through CloudCore (needed by EdgeMesh)."`

	Images  Images  `json:"images" doc:"Container images."`
	Pods    Pods    `json:"pods" doc:"Resources and placement of the pods."`
	Extras  Extras  `json:"extras" doc:"Optional objects."`
	Cluster Cluster `json:"cluster" doc:"What is filled in from the cluster when KubeEdge is enabled."`
}

// CloudHub is the part of CloudCore that edge nodes talk to.
type CloudHub struct {
	AdvertiseAddress []string `json:"advertiseAddress" doc:"Addresses or DNS names under which edge nodes reach CloudCore. Empty: a public address of the cluster with NodePort, the Service's address with LoadBalancer."`
	NodeLimit        int      `json:"nodeLimit" minimum:"1" maximum:"100000" doc:"How many edge nodes may connect."`
	Authorization    bool     `json:"authorization" doc:"Let CloudHub check that an edge node connects under its own name and reads only what its pods need. Off: the certificate of any edge node reads every Secret of the cluster."`
	WebSocket        EdgePort `json:"webSocket" doc:"CloudHub over WebSocket, the basic service."`
	HTTPS            EdgePort `json:"https" doc:"CloudHub over HTTPS, which hands out certificates."`
	QUIC             EdgePort `json:"quic" doc:"CloudHub over QUIC (UDP). It goes past the gate: an edge node can then write in the name of another."`
}

// EdgePort is one service that edge nodes connect to.
type EdgePort struct {
	Enable       bool `json:"enable" doc:"Whether the service runs."`
	Port         int  `json:"port" minimum:"0" maximum:"65535" doc:"Port of the Service. 0: the default of the service type."`
	ExternalPort int  `json:"externalPort" minimum:"0" maximum:"65535" doc:"Port that a port mapping in front of the cluster shows to edge nodes. 0: the same as port."`
}

// CloudStream is the part of CloudCore that carries logs, exec and metrics.
type CloudStream struct {
	Enable             bool `json:"enable" doc:"Run CloudStream; logs and metrics need it."`
	Port               int  `json:"port" minimum:"0" maximum:"65535" doc:"Port of the stream Service, for the cluster's own use; it must stay closed to the outside. 0: the default of the service type."`
	TunnelPort         int  `json:"tunnelPort" minimum:"0" maximum:"65535" doc:"Port that edge nodes open their tunnel to. 0: the default of the service type."`
	TunnelExternalPort int  `json:"tunnelExternalPort" minimum:"0" maximum:"65535" doc:"Port that a port mapping shows to edge nodes for the tunnel. 0: the same as tunnelPort."`
}

// EdgeWatcher decides where requests for edge nodes go.
type EdgeWatcher struct {
	DestinationAddress string   `json:"destinationAddress" doc:"Address that requests for logs and metrics are sent to. Empty: the CloudCore that holds the edge node's tunnel."`
	DestinationPort    int      `json:"destinationPort" minimum:"0" maximum:"65535" doc:"Port at the destination address. 0: the stream port, once an address is set."`
	LogPort            int      `json:"logPort" minimum:"1" maximum:"65535" doc:"Port of edge nodes that log requests are addressed to."`
	MetricsPort        int      `json:"metricsPort" minimum:"1" maximum:"65535" doc:"Port of edge nodes that metrics requests are addressed to."`
	ServiceCIDRs       []string `json:"serviceCIDRs" doc:"The cluster's service networks; edge nodes with an address in them are refused."`
	History            bool     `json:"history" doc:"Sample all edge nodes all the time and keep an hour of it in memory. Off: only what somebody looks at is sampled."`
	PrometheusURL      string   `json:"prometheusURL" doc:"URL of a Prometheus that scrapes the edge nodes, as edge-watcher reaches it; it gives histories of more than an hour. Empty: none."`
}

// StreamGuard keeps everybody but the gate from CloudCore's own ports.
type StreamGuard struct {
	Enable bool `json:"enable" doc:"Drop connections to the ports that CloudCore opens for its gate only, whoever they come from."`
	// Admit and AdmitPods are what files of before the gate have. They are read so that
	// those files stay good, told of, and not kept.
	Admit     []string `json:"admit,omitempty" deprecated:"true" doc:"No longer used; remove it. Callers prove who they are, wherever they come from."`
	AdmitPods []string `json:"admitPods,omitempty" deprecated:"true" doc:"No longer used; remove it. Callers prove who they are, wherever they come from."`
}

// Backend is what holds the routes in a cloud node's kernel.
type Backend string

// The backends. Auto takes nftables where the kernel has it, else iptables.
const (
	BackendAuto     Backend = "auto"
	BackendNFTables Backend = "nftables"
	BackendIptables Backend = "iptables"
)

// IptablesOperator runs on every cloud node.
type IptablesOperator struct {
	Backend Backend `json:"backend" enum:"auto,nftables,iptables" doc:"What holds the routes in the kernel. iptables is for hosts without nf_tables, and needs one capability more."`
}

// Images that the chart runs. References are repository:tag or repository@digest.
type Images struct {
	Registry         string   `json:"registry" doc:"Registry (and path) put before every image that names no registry itself."`
	CloudCore        string   `json:"cloudcore" doc:"CloudCore."`
	EdgeWatcher      string   `json:"edgeWatcher" doc:"edge-watcher."`
	IptablesOperator string   `json:"iptablesOperator" doc:"iptables-operator."`
	StreamGate       string   `json:"streamGate" doc:"stream-gate, which runs beside CloudCore."`
	Probe            string   `json:"probe" doc:"Pod that proves, once after a join, that an edge node runs pods."`
	PullPolicy       string   `json:"pullPolicy" enum:"IfNotPresent,Always,Never" doc:"When images are pulled."`
	PullSecrets      []string `json:"pullSecrets" doc:"Names of Secrets in namespace kubeedge with registry credentials."`
}

// Pods holds what every workload of the chart may be given.
type Pods struct {
	CloudCore        Pod `json:"cloudcore" doc:"CloudCore's pods."`
	EdgeWatcher      Pod `json:"edgeWatcher" doc:"edge-watcher's pod."`
	IptablesOperator Pod `json:"iptablesOperator" doc:"iptables-operator's pods, one per cloud node."`
}

// Pod is one workload's resources and placement.
type Pod struct {
	Resources    Resources         `json:"resources" doc:"Requests and limits."`
	NodeSelector map[string]string `json:"nodeSelector" doc:"Labels that a node must have."`
	Tolerations  []Toleration      `json:"tolerations" doc:"Taints that are tolerated."`
}

// Resources are quantities ("100m", "128Mi") by resource name.
type Resources struct {
	Requests map[string]string `json:"requests" doc:"What is reserved."`
	Limits   map[string]string `json:"limits" doc:"What is not exceeded."`
}

// Toleration is Kubernetes' toleration.
type Toleration struct {
	Key      string `json:"key,omitempty" doc:"Key of the taint; empty with operator Exists matches all."`
	Operator string `json:"operator,omitempty" enum:"Exists,Equal" doc:"Exists or Equal."`
	Value    string `json:"value,omitempty" doc:"Value of the taint."`
	Effect   string `json:"effect,omitempty" enum:"NoSchedule,PreferNoSchedule,NoExecute" doc:"Effect of the taint; empty matches all."`
}

// Extras are objects that not every cluster wants.
type Extras struct {
	NetworkPolicy   bool `json:"networkPolicy" doc:"Restrict what may connect to CloudCore and edge-watcher by NetworkPolicy."`
	ServiceMonitors bool `json:"serviceMonitors" doc:"Create ServiceMonitors for the Prometheus operator."`
}

// Cluster is not for users to set: it is what enabling found out.
type Cluster struct {
	AdvertiseAddress []string `json:"advertiseAddress" doc:"Addresses found for CloudHub when none are set."`
}
