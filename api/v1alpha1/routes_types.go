package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MaxRoutesPerSlice bounds an EdgeRouteSlice, so that one node's change costs
// one small write however many edge nodes there are.
const MaxRoutesPerSlice = 100

// EdgeRouteSlice carries the routes of up to MaxRoutesPerSlice edge nodes.
// edge-watcher writes it; every iptables-operator reads it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=ers
// +kubebuilder:printcolumn:name="Routes",type=string,JSONPath=`.metadata.annotations.edgeway\.io/routes`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type EdgeRouteSlice struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Routes of this slice, one per edge node and address, ordered by node name. The
	// list has one writer and is written as a whole, so the API server need not track
	// the owners of 100 entries at every write.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Routes []EdgeRoute `json:"routes"`
}

// EdgeRoute says where requests to one address of an edge node go.
//
// On every routed address, tunnel port p of CloudCore p goes to that CloudCore
// (EdgeRouteTargets knows p); Ports go to the CloudCore named by Target.
type EdgeRoute struct {
	// Node is the edge node's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node"`
	// Address is the edge node's InternalIP, IPv4 or IPv6. 0.0.0.0/8, 127.0.0.0/8 and
	// IPv6 addresses that begin with 0, such as ::1, mean the cloud node itself or no
	// node, and do not match. A pattern says it without a CEL rule run for each route.
	// +kubebuilder:validation:MaxLength=45
	// +kubebuilder:validation:Pattern=`^((25[0-5]|2[0-4][0-9]|1[013-9][0-9]|12[0-689]|[1-9][0-9]?)(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}|[1-9A-Fa-f][0-9A-Fa-f]{0,3}:[0-9A-Fa-f:.]*)$`
	Address string `json:"address"`
	// Ports of the address that follow the node's tunnel: the log and the metrics port.
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:Minimum=1
	// +kubebuilder:validation:items:Maximum=65535
	Ports []int32 `json:"ports,omitempty"`
	// Target is the ID of the CloudCore that holds the node's tunnel. Empty: none
	// does, and traffic to Ports is dropped rather than sent to a stranger.
	// +optional
	// +kubebuilder:validation:Pattern=`^(configured|[0-9]{1,5})?$`
	Target string `json:"target,omitempty"`
}

// EdgeRouteSliceList is a list of EdgeRouteSlice.
//
// +kubebuilder:object:root=true
type EdgeRouteSliceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EdgeRouteSlice `json:"items"`
}

// EdgeRouteTargets maps CloudCore IDs to endpoints. There is one, named
// TargetsName, so that a CloudCore pod with a new address is one write.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=ert
// +kubebuilder:subresource:status
// +kubebuilder:validation:XValidation:rule="self.metadata.name == 'cloudcore'",message="there is one EdgeRouteTargets, and its name is cloudcore"
// +kubebuilder:printcolumn:name="Problems",type=string,JSONPath=`.status.conditions[*].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type EdgeRouteTargets struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Targets in order of ID.
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=256
	Targets []EdgeRouteTarget `json:"targets"`

	// Guard tells the operators which ports of CloudCore are for its gate only. Absent:
	// nothing is guarded yet, and CloudNodeRoutes says so.
	// +optional
	Guard *EdgeRouteGuard `json:"guard,omitempty"`

	// Status is what edge-watcher found wrong with the cluster.
	// +optional
	Status EdgeRouteTargetsStatus `json:"status,omitempty"`
}

// EdgeRouteTargetsStatus says what keeps requests from reaching edge nodes that is
// the matter of no single node.
type EdgeRouteTargetsStatus struct {
	// Conditions are problems: each is True, and gone once the problem is.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// EdgeRouteGuard holds the facts of the stream guard: the ports that CloudCore opens
// behind its gate. Every cloud node drops TCP to them, whoever sent it. The gate, in
// CloudCore's own pod, comes by the loopback interface.
type EdgeRouteGuard struct {
	// Enabled is false only when an admin switched the guard off.
	Enabled bool `json:"enabled"`
	// Addresses of the CloudCores.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=512
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:Pattern=`^(((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)$`
	Addresses []string `json:"addresses,omitempty"`
	// Ports of CloudCore at these addresses that are for its gate only.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:Minimum=1
	// +kubebuilder:validation:items:Maximum=65535
	Ports []int32 `json:"ports,omitempty"`
}

// EdgeRouteTarget is one CloudCore (or the configured destination).
// +kubebuilder:validation:XValidation:rule="self.id == 'configured' ? !has(self.tunnelPort) || self.tunnelPort == 0 : has(self.tunnelPort) && self.id == string(self.tunnelPort)",message="id is the tunnel port in decimal, or configured without one"
type EdgeRouteTarget struct {
	// ID is the CloudCore's tunnel port in decimal ("10351"), or TargetConfigured.
	// +kubebuilder:validation:MaxLength=10
	// +kubebuilder:validation:Pattern=`^(configured|[0-9]{1,5})$`
	ID string `json:"id"`
	// TunnelPort is the kubelet port that this CloudCore gives the Nodes whose
	// tunnel it holds; 0 for TargetConfigured.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	TunnelPort int32 `json:"tunnelPort,omitempty"`
	// Endpoints of its CloudStream, at most one per IP family. None: connections
	// are rejected with a TCP reset until there is one.
	// +listType=map
	// +listMapKey=address
	// +kubebuilder:validation:MaxItems=2
	Endpoints []EdgeRouteEndpoint `json:"endpoints,omitempty"`
}

// EdgeRouteEndpoint is an address and TCP port that connections end at.
type EdgeRouteEndpoint struct {
	// Address is an IPv4 or IPv6 address.
	// +kubebuilder:validation:MaxLength=45
	// +kubebuilder:validation:Pattern=`^(((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)$`
	Address string `json:"address"`
	// Port is a TCP port.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
}

// EdgeRouteTargetsList is a list of EdgeRouteTargets.
//
// +kubebuilder:object:root=true
type EdgeRouteTargetsList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EdgeRouteTargets `json:"items"`
}

// CloudNodeRoutes reports what one cloud node's kernel holds. It has the cloud
// node's name and is written only by the iptables-operator on that node.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=cnr
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Backend",type=string,JSONPath=`.status.backend`
// +kubebuilder:printcolumn:name="Routes",type=integer,JSONPath=`.status.routes`
// +kubebuilder:printcolumn:name="Applied",type=date,JSONPath=`.status.appliedAt`
// +kubebuilder:printcolumn:name="Repaired",type=integer,JSONPath=`.status.driftRepaired`
// +kubebuilder:printcolumn:name="Error",type=string,JSONPath=`.status.lastError`
type CloudNodeRoutes struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Status CloudNodeRoutesStatus `json:"status,omitempty"`

	// Undecodable says why the status has nothing but addresses although the API server
	// has more.
	Undecodable string `json:"-"`
}

// CloudNodeRoutesStatus is what an iptables-operator found and did.
type CloudNodeRoutesStatus struct {
	// Backend that holds the routes: "nftables", "iptables-legacy" or "iptables-nft".
	Backend string `json:"backend,omitempty"`
	// ObservedHash identifies the route objects that the kernel was last made equal
	// to: SHA-256 over their names and generations in order of name, in hex.
	ObservedHash string `json:"observedHash,omitempty"`
	// Routes is the number of edge addresses in the kernel.
	// +optional
	Routes int32 `json:"routes"`
	// AppliedAt is when the kernel was last changed.
	AppliedAt *metav1.Time `json:"appliedAt,omitempty"`
	// DriftRepaired counts the repairs since the operator started. Optional, since a
	// merge patch leaves out what has not changed.
	// +optional
	DriftRepaired int64 `json:"driftRepaired"`
	// LastError is the last failure, empty once a later change succeeded.
	LastError string `json:"lastError,omitempty"`
	// Addresses are the cloud node's own.
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:Pattern=`^(((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)$`
	Addresses []string `json:"addresses,omitempty"`
	// Counters of packets, read from the kernel once a minute.
	// +optional
	Counters *CloudNodeCounters `json:"counters,omitempty"`
	// Conditions: Applied, and those that tell why requests cannot work from here.
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// CloudNodeCounters are packets since the rules were last written anew. They are
// optional, since a merge patch leaves out what has not changed.
type CloudNodeCounters struct {
	// Guarded packets were for a port that CloudCore opens for its gate only.
	// +optional
	Guarded int64 `json:"guarded"`
	// Unrouted packets were for an edge address and redirected by no route.
	// +optional
	Unrouted int64 `json:"unrouted"`
	// Rejected packets were for an edge node whose CloudCore has no endpoint.
	// +optional
	Rejected int64 `json:"rejected"`
	// ReadAt is when they were read and last differed.
	// +optional
	ReadAt *metav1.Time `json:"readAt,omitempty"`
}

// CloudNodeRoutesList is a list of CloudNodeRoutes.
//
// +kubebuilder:object:root=true
type CloudNodeRoutesList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []CloudNodeRoutes `json:"items"`
}
