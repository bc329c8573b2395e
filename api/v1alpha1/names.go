package v1alpha1

// Labels, annotations and well-known names that several parts share.
const (
	// LabelEdge marks an edge node. Its value is empty: CloudCore sends pods only to
	// Nodes that have the label with an empty value. Everything of ours matches it by key.
	LabelEdge = "node-role.kubernetes.io/edge"
	// LabelAgent is set on edge nodes by KubeEdge beside LabelEdge.
	LabelAgent = "node-role.kubernetes.io/agent"
	// LabelNodeGroup names the NodeGroup that KubeEdge's controller put a node into.
	LabelNodeGroup = "apps.kubeedge.io/belonging-to"
	// TaintEdge is the taint that the join wizard proposes, with value "edge" and
	// effect NoSchedule.
	TaintEdge = "node.kubeedge.io"

	// KubeEdgeNamespace is the only namespace that CloudCore works in.
	KubeEdgeNamespace = "kubeedge"
	// OperatorDaemonSet runs iptables-operator in KubeEdgeNamespace; its pods carry the
	// name in label app.kubernetes.io/name.
	OperatorDaemonSet = "iptables-operator"
	// JoinNamespace holds enrollments and what they need.
	JoinNamespace = "edgeway-join"

	// TunnelPortConfigMap is the ConfigMap in KubeEdgeNamespace in which CloudCore
	// records its tunnel ports.
	TunnelPortConfigMap = "tunnelport"
	// TunnelPortAnnotation holds the record as JSON:
	// {"ipTunnelPort":{"IP":PORT},"port":{"PORT":true}}.
	TunnelPortAnnotation = "tunnelportrecord.kubeedge.io"

	// IssuedPrefix begins the names of IssuedShards ConfigMaps of namespace kubeedge, which
	// remember for which request each enrollment got its certificate.
	IssuedPrefix = "edgeway-issued-"
	IssuedShards = 8
	// TargetsName is the name of the one EdgeRouteTargets object.
	TargetsName = "cloudcore"
	// TargetConfigured is the ID of the target that stands for the admin's
	// configured destination address and port, when there is one.
	TargetConfigured = "configured"

	// LogPort is the kubelet port that KubeEdge gives a Node before its tunnel connects.
	LogPort = 10350
	// MetricsPort is the port on which scrapers expect a kubelet.
	MetricsPort = 10250
	// StreamPort is where the gate before CloudStream listens.
	StreamPort = 10003
	// CloudCore's own ports, behind the gate. CloudHub's two are on the loopback only;
	// CloudStream's are on every address of the pod.
	CoreHubPort         = 10010
	CoreCertificatePort = 10012
	CoreStreamPort      = 10013
	CoreTunnelPort      = 10014

	// LabelEnrollment on a pod names the enrollment that it probes.
	LabelEnrollment = "edgeway.io/enrollment"
	// LabelCode on an enrollment is the beginning of spec.codeHash, by which a code's
	// enrollment is found without reading all of them.
	LabelCode = "edgeway.io/code"
	// AnnotationExpected on a Node names the enrollment for which edge-watcher created
	// the Node before its device connected. The annotation goes when the device arrives.
	AnnotationExpected = "edgeway.io/expected-by"
	// AnnotationCordonedBy on a Node says that edge-watcher cordoned it for an
	// enrollment, so that only such a cordon is ever taken back.
	AnnotationCordonedBy = "edgeway.io/cordoned-by"
)

// ConditionRouted is the type of the Node condition in which edge-watcher says
// whether requests to an edge node reach a CloudCore, and why not.
const ConditionRouted = "EdgewayRouted"

// AnnotationRoutes is the number of routes of an EdgeRouteSlice.
const AnnotationRoutes = Group + "/routes"

// Group is the API group, and the prefix of labels and annotations.
const Group = "edgeway.io"
